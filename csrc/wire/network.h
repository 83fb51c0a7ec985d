/* IP addresses, and the networks that they belong to. */
#ifndef TSMS_WIRE_NETWORK_H
#define TSMS_WIRE_NETWORK_H

#include "../base/str.h"

typedef struct tsms__network {
    bool v6;
    unsigned char address[16]; /* an IPv4 address takes the first four */
    unsigned bits;             /* how many of them, from the first one, all members share */
} tsms__network;

/* Reads "10.0.0.0/8", "2001:db8::/32", or one address. False for everything else, also for a
 * network with bits behind its prefix: "10.1.2.3/8" may mean one host or sixteen million. */
bool tsms__network_parse(tsms_str text, tsms__network *out);
/* Whether a peer is in it: "192.0.2.1", "192.0.2.1:443", "2001:db8::1" or "[2001:db8::1]:443", with
 * or without a zone. An IPv4 address that is written as an IPv6 one (RFC 4291, section 2.5.5.2) is
 * the IPv4 address. Never for what is no address. */
bool tsms__network_has(const tsms__network *network, tsms_str peer);

#endif
