/* The memory of a program that fails when it is told to: malloc and its kin are the program's own,
 * and so count and fail for every library in it, while `armed`. Include it in one file only, before
 * anything else, with _GNU_SOURCE defined. */
#ifndef TESTS_FAILING_MALLOC_H
#define TESTS_FAILING_MALLOC_H

#include "twilio_sms.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

static bool armed;
static bool failed;       /* whether it came to that */
static bool for_ever;     /* all behind the one that fails fail as well */
static size_t calls;      /* since the run began */
static size_t failing_at; /* which of them fails, from 1; 0 is none */
static size_t failures;   /* of the whole program */

/* What was allocated while armed and not freed yet: a set of addresses. */
enum { BLOCKS = 1 << 16 };
static void *blocks[BLOCKS];
static size_t live;

static size_t place_of(const void *ptr)
{
    size_t place = ((uintptr_t)ptr >> 4) * 11400714819323198485u >> 48;
    while (blocks[place] != NULL && blocks[place] != ptr) {
        place = (place + 1) % BLOCKS;
    }
    return place;
}

static void *note_block(void *ptr)
{
    if (armed && ptr != NULL) {
        blocks[place_of(ptr)] = ptr;
        live++;
    }
    return ptr;
}

/* Closes the gap that a removed address leaves in its run. */
static void forget_block(const void *ptr)
{
    size_t gap = live > 0 && ptr != NULL ? place_of(ptr) : 0;
    if (live == 0 || ptr == NULL || blocks[gap] == NULL) {
        return;
    }
    blocks[gap] = NULL;
    live--;
    for (size_t at = (gap + 1) % BLOCKS; blocks[at] != NULL; at = (at + 1) % BLOCKS) {
        void *moved = blocks[at];
        blocks[at] = NULL;
        blocks[place_of(moved)] = moved;
    }
}

static bool fails_now(void)
{
    if (!armed) {
        return false;
    }
    calls++;
    bool now = calls == failing_at || (for_ever && failing_at > 0 && calls > failing_at);
    failed = failed || now;
    failures += now;
    return now;
}

/* The loader allocates while it looks for the real functions. */
static char early[4096];
static size_t early_used;

static void *early_alloc(size_t size)
{
    void *ptr = early + early_used;
    early_used += (size + 15) / 16 * 16;
    return early_used <= sizeof early ? ptr : NULL;
}

static bool is_early(const void *ptr)
{
    return (const char *)ptr >= early && (const char *)ptr < early + sizeof early;
}

static struct {
    void *(*malloc)(size_t);
    void *(*calloc)(size_t, size_t);
    void *(*realloc)(void *, size_t);
    void (*free)(void *);
} real;

static bool find_real(void)
{
    static bool looking;
    if (real.free == NULL && !looking) {
        looking = true;
        *(void **)&real.malloc = dlsym(RTLD_NEXT, "malloc");
        *(void **)&real.calloc = dlsym(RTLD_NEXT, "calloc");
        *(void **)&real.realloc = dlsym(RTLD_NEXT, "realloc");
        *(void **)&real.free = dlsym(RTLD_NEXT, "free");
    }
    return real.free != NULL;
}

TSMS_API void *malloc(size_t size)
{
    if (!find_real()) {
        return early_alloc(size);
    }
    return fails_now() ? NULL : note_block(real.malloc(size));
}

TSMS_API void *calloc(size_t count, size_t size)
{
    if (!find_real()) {
        return early_alloc(count * size); /* which is cleared */
    }
    return fails_now() ? NULL : note_block(real.calloc(count, size));
}

TSMS_API void *realloc(void *ptr, size_t size)
{
    if (!find_real() || fails_now()) {
        return NULL;
    }
    bool counted = ptr != NULL && live > 0 && blocks[place_of(ptr)] == ptr;
    void *moved = real.realloc(ptr, size);
    if (moved != NULL && moved != ptr) {
        if (counted) {
            forget_block(ptr);
        }
        if (counted || ptr == NULL) {
            note_block(moved);
        }
    }
    return moved;
}

TSMS_API void free(void *ptr)
{
    if (ptr != NULL && !is_early(ptr) && find_real()) {
        forget_block(ptr);
        real.free(ptr);
    }
}

/* libcurl asks a thread for an address when it has no memory to read one itself. No thread: all
 * that counts allocations here is without locks. */
TSMS_API int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                            void *(*start)(void *), void *arg)
{
    (void)thread;
    (void)attributes;
    (void)start;
    (void)arg;
    return EAGAIN;
}

#endif
