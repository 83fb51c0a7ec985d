/* Allocates through a table of functions, with overflow checked in one place. */
#define _DEFAULT_SOURCE /* explicit_bzero */
#include "mem.h"

#include <stdlib.h>
#include <string.h>

static void *libc_alloc(void *ctx, size_t size)
{
    (void)ctx;
    return malloc(size);
}

static void *libc_resize(void *ctx, void *ptr, size_t size)
{
    (void)ctx;
    return realloc(ptr, size);
}

static void libc_release(void *ctx, void *ptr)
{
    (void)ctx;
    free(ptr);
}

const tsms_mem tsms__mem_libc = {NULL, libc_alloc, libc_resize, libc_release};

void *tsms__alloc(const tsms_mem *mem, size_t size)
{
    return mem->alloc(mem->ctx, size > 0 ? size : 1);
}

void *tsms__calloc(const tsms_mem *mem, size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    void *ptr = tsms__alloc(mem, count * size);
    if (ptr != NULL) {
        memset(ptr, 0, count * size);
    }
    return ptr;
}

void *tsms__resize(const tsms_mem *mem, void *ptr, size_t count, size_t size)
{
    if (size > 0 && count > SIZE_MAX / size) {
        return NULL;
    }
    size_t bytes = count * size;
    /* A host's resize need not know realloc's special case of no old block. */
    return ptr != NULL ? mem->resize(mem->ctx, ptr, bytes > 0 ? bytes : 1)
                       : tsms__alloc(mem, bytes);
}

void tsms__free(const tsms_mem *mem, void *ptr)
{
    if (ptr != NULL) {
        mem->release(mem->ctx, ptr);
    }
}

void tsms__wipe(void *ptr, size_t len)
{
    if (ptr != NULL && len > 0) {
        explicit_bzero(ptr, len);
    }
}
