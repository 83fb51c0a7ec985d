/* Initialises libcurl once, giving it an allocator that wipes.
 *
 * libcurl 7.88 leaves copies of the Authorization header in freed memory: three were found after
 * its clean-up, none with this allocator, over HTTP/1.1. Over HTTP/2 nghttp2 copies headers with an
 * allocator of its own, which nothing reaches: three or four remain. When the program has
 * initialised libcurl before us, libcurl keeps the allocator that it has. */
#define _GNU_SOURCE /* malloc_usable_size */
#include "curl_global.h"

#include "../base/mem.h"

#include <curl/curl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The Authorization header lies in the head of a request, and so at the start of each buffer that
 * libcurl puts it into. Wiping those buffers whole, 64 KiB for each send, would cost more than all
 * of our work. */
enum { WIPE_MOST_BYTES = 2048 };

static void wiping_free(void *ptr)
{
    if (ptr != NULL) {
        size_t size = malloc_usable_size(ptr);
        tsms__wipe(ptr, size < WIPE_MOST_BYTES ? size : WIPE_MOST_BYTES);
        free(ptr);
    }
}

static void *wiping_realloc(void *ptr, size_t size)
{
    size_t old = ptr != NULL ? malloc_usable_size(ptr) : 0;
    if (size > 0 && size <= old) {
        return ptr;
    }
    void *fresh = malloc(size);
    if (fresh != NULL && ptr != NULL) {
        memcpy(fresh, ptr, old < size ? old : size);
        wiping_free(ptr);
    }
    return fresh;
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool initialised;

static void initialise(void)
{
    initialised = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free, wiping_realloc,
                                       strdup, calloc) == CURLE_OK;
}

bool tsms__curl_global_init(void)
{
    return pthread_once(&once, initialise) == 0 && initialised;
}
