/* The allocator table: all memory of a client comes through these calls. */
#ifndef TSMS_BASE_MEM_H
#define TSMS_BASE_MEM_H

#include "../twilio_sms.h"

/* The C library's allocator. */
extern const tsms_mem tsms__mem_libc;

/* NULL when there is no memory; size 0 is allowed. The memory is not cleared. */
void *tsms__alloc(const tsms_mem *mem, size_t size);
/* Cleared; NULL also when count * size overflows. */
void *tsms__calloc(const tsms_mem *mem, size_t count, size_t size);
/* Resizes to count elements; NULL leaves the old block as it was. */
void *tsms__resize(const tsms_mem *mem, void *ptr, size_t count, size_t size);
/* NULL is allowed. */
void tsms__free(const tsms_mem *mem, void *ptr);
/* Overwrites in a way that the compiler may not drop. */
void tsms__wipe(void *ptr, size_t len);

#endif
