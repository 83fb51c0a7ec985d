/* The one place that reads the clocks and the system's randomness. */
#ifndef TSMS_DRIVE_CLOCK_H
#define TSMS_DRIVE_CLOCK_H

#include "../call/client.h"

tsms__now tsms__clock_now(void);
/* A seed from the operating system; never 0. */
uint64_t tsms__clock_seed(void);

#endif
