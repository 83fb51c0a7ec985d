/* The shared region: one fixed block of atomics, anonymous or mapped by name. */
#define _GNU_SOURCE /* MAP_ANONYMOUS, shm_open */
#include "shared.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* "tsms", before the number of the layout. */
#define MAGIC UINT64_C(0x746D736D00000000)

enum {
    LAYOUT = 4,     /* a change of struct tsms__region, or of what lies behind it, raises it */
    SENDERS = 4096, /* keyed for good: an account owns few numbers */
    OVERFLOW_CELLS = 256,
    RECIPIENTS = 16384, /* by hash, without keys */
    PROBES = 64,
};

typedef struct sender_slot {
    _Atomic uint64_t key; /* 0: free */
    tsms__cell cell;
} sender_slot;

struct tsms__region {
    _Atomic uint64_t layout; /* 0 in a fresh region */
    tsms__cell account;
    _Atomic uint64_t breaker;
    _Atomic uint64_t quota_spent;
    _Atomic uint64_t counters[TSMS__COUNTER_COUNT];
    sender_slot senders[SENDERS];
    tsms__cell overflow[OVERFLOW_CELLS];
    tsms__cell recipients[RECIPIENTS];
};

static size_t on_a_cache_line(size_t offset)
{
    return (offset + 63) / 64 * 64;
}

/* Behind the struct lie the table of webhooks and the metrics. */
static size_t replay_at(void)
{
    return on_a_cache_line(sizeof(tsms__region));
}

static size_t metrics_at(void)
{
    return on_a_cache_line(replay_at() + tsms__replay_size());
}

static size_t region_size(void)
{
    return metrics_at() + tsms__metrics_size();
}

/* The account is part of the name, because limits and breaker are those of one account. So is the
 * layout: while a new version takes over from an old one, as nginx's workers do when it is
 * reloaded, both are there. */
static void region_path(unsigned layout, const char *name, const char *account_sid, char *path,
                        size_t size)
{
    snprintf(path, size, "/twilio_sms.%u.%s.%016llx.%u", (unsigned)geteuid(), name,
             (unsigned long long)tsms__str_hash(tsms_str_from(account_sid)), layout);
}

static tsms_status no_region(const char *name, tsms_error *err)
{
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                           "shared region '%s' holds something else; choose another name for "
                           "'shared', or delete its file in /dev/shm",
                           name);
}

static tsms_status open_error(int fd, const char *name, const char *what, tsms_error *err)
{
    int code = errno;
    if (fd >= 0) {
        close(fd);
    }
    return tsms__error_set(err, TSMS_KIND_INVALID_OPTION, "shared region '%s': %s: %s", name, what,
                           strerror(code));
}

static tsms_status map_named(unsigned layout, const char *name, const char *account_sid, void **out,
                             tsms_error *err)
{
    char path[160];
    region_path(layout, name, account_sid, path, sizeof path);
    int fd = shm_open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return open_error(fd, name, "cannot open it in shared memory", err);
    }
    struct stat info;
    if (fstat(fd, &info) != 0) {
        return open_error(fd, name, "cannot read its owner", err);
    }
    if (info.st_uid != geteuid() || (info.st_mode & 077) != 0) {
        close(fd);
        return tsms__error_set(err, TSMS_KIND_INVALID_OPTION,
                               "shared region '%s' belongs to, or may be written by, another user; "
                               "choose another name",
                               name);
    }
    if (info.st_size != 0 && info.st_size != (off_t)region_size()) {
        close(fd);
        return no_region(name, err);
    }
    /* With ftruncate alone a full file system would show itself as a SIGBUS, later. */
    errno = posix_fallocate(fd, 0, (off_t)region_size());
    if (errno != 0) {
        return open_error(fd, name, "cannot make room for it", err);
    }
    *out = mmap(NULL, region_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (*out == MAP_FAILED) {
        return open_error(fd, name, "cannot map it", err);
    }
    close(fd);
    return TSMS_OK;
}

tsms_status tsms__region_open(const char *name, const char *account_sid, tsms__region **out,
                              tsms_error *err)
{
    return tsms__region_open_layout(LAYOUT, name, account_sid, out, err);
}

tsms_status tsms__region_open_layout(unsigned layout, const char *name, const char *account_sid,
                                     tsms__region **out, tsms_error *err)
{
    void *block;
    if (name == NULL || name[0] == '\0') {
        block =
            mmap(NULL, region_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (block == MAP_FAILED) {
            return tsms__error_nomem(err);
        }
    } else {
        tsms_status status = map_named(layout, name, account_sid, &block, err);
        if (status != TSMS_OK) {
            return status;
        }
    }
    tsms__region *region = block;
    uint64_t found = 0;
    if (!atomic_compare_exchange_strong(&region->layout, &found, MAGIC | layout) &&
        found != (MAGIC | layout)) {
        munmap(block, region_size());
        return no_region(name, err);
    }
    *out = region;
    return TSMS_OK;
}

void tsms__region_close(tsms__region *region)
{
    if (region != NULL) {
        munmap(region, region_size());
    }
}

void tsms__region_unlink(const char *name, const char *account_sid)
{
    char path[160];
    region_path(LAYOUT, name, account_sid, path, sizeof path);
    shm_unlink(path);
}

tsms__cell *tsms__region_account(tsms__region *region)
{
    return &region->account;
}

tsms__cell *tsms__region_sender(tsms__region *region, uint64_t key)
{
    uint64_t wanted = key != 0 ? key : 1;
    for (uint64_t i = 0; i < PROBES; i++) {
        sender_slot *slot = &region->senders[(wanted + i) % SENDERS];
        uint64_t found = atomic_load(&slot->key);
        /* Slots are never freed, so the first free one on a key's path is the same for every
         * process that looks for it: whoever loses the exchange finds the key there. */
        if (found == 0 && atomic_compare_exchange_strong(&slot->key, &found, wanted)) {
            return &slot->cell;
        }
        if (found == wanted) {
            return &slot->cell;
        }
    }
    return &region->overflow[wanted % OVERFLOW_CELLS];
}

tsms__cell *tsms__region_recipient(tsms__region *region, uint64_t key)
{
    return &region->recipients[key % RECIPIENTS];
}

tsms__breaker_state tsms__region_breaker_state(tsms__region *region)
{
    return tsms__breaker_state_of(atomic_load(&region->breaker));
}

int64_t tsms__region_breaker_wait_ms(tsms__region *region, const tsms__breaker_rules *rules,
                                     int64_t now_ms)
{
    return tsms__breaker_wait_ms(atomic_load(&region->breaker), rules, now_ms);
}

bool tsms__region_acquire(tsms__region *region, const tsms__breaker_rules *rules, int64_t now_ms,
                          tsms__permit *permit, tsms__breaker_state *before,
                          tsms__breaker_state *after)
{
    uint64_t word = atomic_load(&region->breaker);
    tsms__breaker next;
    bool given;
    do {
        given = tsms__breaker_acquire(word, rules, now_ms, &next, permit);
    } while (next != word && !atomic_compare_exchange_weak(&region->breaker, &word, next));
    *before = tsms__breaker_state_of(word);
    *after = tsms__breaker_state_of(next);
    return given;
}

void tsms__region_report(tsms__region *region, const tsms__breaker_rules *rules, int64_t now_ms,
                         tsms__permit permit, tsms__breaker_result result,
                         tsms__breaker_state *before, tsms__breaker_state *after)
{
    uint64_t word = atomic_load(&region->breaker);
    tsms__breaker next;
    do {
        (void)tsms__breaker_report(word, rules, now_ms, permit, result, &next);
    } while (next != word && !atomic_compare_exchange_weak(&region->breaker, &word, next));
    *before = tsms__breaker_state_of(word);
    *after = tsms__breaker_state_of(next);
}

int64_t tsms__region_quota_left(tsms__region *region, int64_t capacity)
{
    uint64_t spent = atomic_load(&region->quota_spent);
    /* A client with a larger quota may have spent more. */
    return spent < (uint64_t)capacity ? capacity - (int64_t)spent : 0;
}

bool tsms__region_quota_take(tsms__region *region, int64_t capacity, int64_t cost)
{
    uint64_t spent = atomic_load(&region->quota_spent);
    do {
        if (cost > capacity || spent > (uint64_t)(capacity - cost)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&region->quota_spent, &spent, spent + (uint64_t)cost));
    return true;
}

void tsms__region_quota_give(tsms__region *region, int64_t amount)
{
    uint64_t spent = atomic_load(&region->quota_spent);
    uint64_t next;
    do {
        next = spent > (uint64_t)amount ? spent - (uint64_t)amount : 0;
    } while (next != spent && !atomic_compare_exchange_weak(&region->quota_spent, &spent, next));
}

void tsms__region_count(tsms__region *region, tsms__counter counter)
{
    atomic_fetch_add_explicit(&region->counters[counter], 1, memory_order_relaxed);
}

void tsms__region_count_more(tsms__region *region, tsms__counter counter, uint64_t amount)
{
    atomic_fetch_add_explicit(&region->counters[counter], amount, memory_order_relaxed);
}

uint64_t tsms__region_counter(tsms__region *region, tsms__counter counter)
{
    return atomic_load_explicit(&region->counters[counter], memory_order_relaxed);
}

tsms__replay *tsms__region_replay(tsms__region *region)
{
    return (tsms__replay *)(void *)((char *)region + replay_at());
}

tsms__metrics *tsms__region_metrics(tsms__region *region)
{
    return (tsms__metrics *)(void *)((char *)region + metrics_at());
}
