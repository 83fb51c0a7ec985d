/* Telling kinds of addresses apart. */
#ifndef TSMS_WIRE_PHONE_H
#define TSMS_WIRE_PHONE_H

#include "../base/str.h"

typedef enum tsms__address {
    TSMS__ADDRESS_INVALID,
    TSMS__ADDRESS_E164,
    TSMS__ADDRESS_SHORT_CODE, /* 3 to 8 digits */
    TSMS__ADDRESS_ALPHA,      /* 1 to 11 of A-Z a-z 0-9 space & - + _ with at least one letter */
    TSMS__ADDRESS_SIM,        /* "sim:DE..." (wireless) */
    TSMS__ADDRESS_CHANNEL,    /* "whatsapp:+1...", passed through untouched */
} tsms__address;

tsms__address tsms__address_of(tsms_str text);

#endif
