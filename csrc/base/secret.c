/* Keeps a secret in pages of its own, after the recipe of libsodium's sodium_malloc
 * (https://doc.libsodium.org/memory_management). */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS, madvise */
#include "secret.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Lies at the start of the readable pages; the text follows it. */
struct tsms__secret {
    size_t mapped; /* the whole mapping, guard pages included */
    size_t len;
    char text[];
};

static size_t page_size(void)
{
    long size = sysconf(_SC_PAGESIZE);
    return size > 0 ? (size_t)size : 4096;
}

tsms__secret *tsms__secret_new(tsms_str text)
{
    size_t page = page_size();
    if (text.len > SIZE_MAX / 2) {
        return NULL;
    }
    size_t inner = (sizeof(tsms__secret) + text.len + 1 + page - 1) / page * page;
    size_t mapped = inner + 2 * page;
    char *base = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        return NULL;
    }
    if (mprotect(base + page, inner, PROT_READ | PROT_WRITE) != 0) {
        munmap(base, mapped);
        return NULL;
    }
    /* Both may fail under a container's limits; the secret is then merely less well kept. */
    (void)mlock(base + page, inner);
    (void)madvise(base + page, inner, MADV_DONTDUMP);
    tsms__secret *secret = (tsms__secret *)(void *)(base + page);
    secret->mapped = mapped;
    secret->len = text.len;
    if (text.len > 0) {
        memcpy(secret->text, text.ptr, text.len);
    }
    secret->text[text.len] = '\0';
    (void)mprotect(base + page, inner, PROT_READ);
    return secret;
}

void tsms__secret_free(tsms__secret *secret)
{
    if (secret == NULL) {
        return;
    }
    size_t page = page_size();
    size_t mapped = secret->mapped;
    char *base = (char *)secret - page;
    /* Refused, a write would crash; the kernel clears pages before it gives them to anyone else. */
    if (mprotect(secret, mapped - 2 * page, PROT_READ | PROT_WRITE) == 0) {
        tsms__wipe(secret, mapped - 2 * page);
    }
    (void)munlock(secret, mapped - 2 * page);
    munmap(base, mapped);
}

tsms_str tsms__secret_text(const tsms__secret *secret)
{
    return secret != NULL ? (tsms_str){secret->text, secret->len} : (tsms_str){NULL, 0};
}
