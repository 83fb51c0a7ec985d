/* Reads IP addresses and networks, and tells which belongs to which. */
#define _POSIX_C_SOURCE 200809L /* inet_pton */
#include "network.h"

#include <arpa/inet.h>
#include <string.h>

enum { MAPPED_BITS = 96 };

static size_t bits_of(bool v6)
{
    return v6 ? 128 : 32;
}

/* One address without port, brackets or zone, as the network that holds it alone. */
static bool parse_address(tsms_str text, tsms__network *out)
{
    static const unsigned char mapped[MAPPED_BITS / 8] = {[10] = 0xFF, [11] = 0xFF};
    char z[INET6_ADDRSTRLEN];
    if (text.len == 0 || text.len >= sizeof z || memchr(text.ptr, '\0', text.len) != NULL) {
        return false;
    }
    memcpy(z, text.ptr, text.len);
    z[text.len] = '\0';
    memset(out, 0, sizeof *out);
    out->v6 = inet_pton(AF_INET6, z, out->address) == 1;
    if (!out->v6 && inet_pton(AF_INET, z, out->address) != 1) {
        return false;
    }
    if (out->v6 && memcmp(out->address, mapped, sizeof mapped) == 0) {
        out->v6 = false;
        memmove(out->address, out->address + sizeof mapped, 4);
        memset(out->address + 4, 0, sizeof out->address - 4);
    }
    out->bits = (unsigned)bits_of(out->v6);
    return true;
}

static size_t find(tsms_str text, char mark)
{
    const char *found = text.len > 0 ? memchr(text.ptr, mark, text.len) : NULL;
    return found != NULL ? (size_t)(found - text.ptr) : text.len;
}

static bool bit_of(const tsms__network *network, size_t i)
{
    return (network->address[i / 8] >> (7 - i % 8) & 1) != 0;
}

bool tsms__network_parse(tsms_str text, tsms__network *out)
{
    tsms_str address = {text.ptr, find(text, '/')};
    if (!parse_address(address, out)) {
        return false;
    }
    if (address.len == text.len) {
        return true;
    }
    tsms_str prefix = {text.ptr + address.len + 1, text.len - address.len - 1};
    int64_t bits;
    if (prefix.len == 0 || prefix.len > 3 || prefix.ptr[0] == '+' ||
        !tsms__str_to_int(prefix, &bits)) {
        return false;
    }
    /* "::ffff:10.0.0.0/104" is a network of IPv4. */
    if (!out->v6 && find(address, ':') < address.len) {
        bits -= MAPPED_BITS;
    }
    if (bits < 0 || bits > (int64_t)bits_of(out->v6)) {
        return false;
    }
    out->bits = (unsigned)bits;
    for (size_t i = out->bits; i < bits_of(out->v6); i++) {
        if (bit_of(out, i)) {
            return false;
        }
    }
    return true;
}

/* Cuts brackets, port and zone off. */
static tsms_str bare_address(tsms_str peer)
{
    if (peer.len > 0 && peer.ptr[0] == '[') {
        peer = (tsms_str){peer.ptr + 1, peer.len - 1};
        peer.len = find(peer, ']');
    } else {
        size_t colon = find(peer, ':');
        if (colon < peer.len && memchr(peer.ptr + colon + 1, ':', peer.len - colon - 1) == NULL) {
            peer.len = colon;
        }
    }
    peer.len = find(peer, '%');
    return peer;
}

bool tsms__network_has(const tsms__network *network, tsms_str peer)
{
    tsms__network own;
    if (!parse_address(bare_address(peer), &own) || own.v6 != network->v6) {
        return false;
    }
    for (size_t i = 0; i < network->bits; i++) {
        if (bit_of(network, i) != bit_of(&own, i)) {
            return false;
        }
    }
    return true;
}
