/* One secret in one locked, guarded allocation that is wiped when it is freed. */
#ifndef TSMS_BASE_SECRET_H
#define TSMS_BASE_SECRET_H

#include "mem.h"

typedef struct tsms__secret tsms__secret;

/* Copies text into memory of its own: between two inaccessible pages, locked into RAM where the
 * limit allows it and left out of core dumps. NULL without memory. */
tsms__secret *tsms__secret_new(tsms_str text);
/* Wipes and unmaps; NULL is allowed. */
void tsms__secret_free(tsms__secret *secret);
/* The text, ended by a NUL that len does not count; absent for NULL. Never copy it to the heap
 * without wiping the copy. */
tsms_str tsms__secret_text(const tsms__secret *secret);

#endif
