/* Counts the segments of a text. */
#include "segments.h"

#include "../base/err.h"

#include <limits.h>

/* The GSM 7-bit default alphabet and its extension table (3GPP TS 23.038 section 6.2.1): the
 * septets that each ASCII character takes, two when it needs an escape, 0 when it is not there. */
static const unsigned char ascii_septets[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0, 0, /* LF, FF, CR */
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* none: ESC is only half a character */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* SP to / */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* 0 to ? */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* @ to O */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 1, /* P to Z, [ \ ] ^ escaped, _ */
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, /* no `, a to o */
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 0, /* p to z, { | } ~ escaped */
};

static int septets_of(uint32_t code_point)
{
    if (code_point < 128) {
        return ascii_septets[code_point];
    }
    switch (code_point) {
    case 0x00A1: /* ¡ */
    case 0x00A3: /* £ */
    case 0x00A4: /* ¤ */
    case 0x00A5: /* ¥ */
    case 0x00A7: /* § */
    case 0x00BF: /* ¿ */
    case 0x00C4: /* Ä */
    case 0x00C5: /* Å */
    case 0x00C6: /* Æ */
    case 0x00C7: /* Ç, but not ç */
    case 0x00C9: /* É */
    case 0x00D1: /* Ñ */
    case 0x00D6: /* Ö */
    case 0x00D8: /* Ø */
    case 0x00DC: /* Ü */
    case 0x00DF: /* ß */
    case 0x00E0: /* à */
    case 0x00E4: /* ä */
    case 0x00E5: /* å */
    case 0x00E6: /* æ */
    case 0x00E8: /* è */
    case 0x00E9: /* é */
    case 0x00EC: /* ì */
    case 0x00F1: /* ñ */
    case 0x00F2: /* ò */
    case 0x00F6: /* ö */
    case 0x00F8: /* ø */
    case 0x00F9: /* ù */
    case 0x00FC: /* ü */
    case 0x0393: /* Γ */
    case 0x0394: /* Δ */
    case 0x0398: /* Θ */
    case 0x039B: /* Λ */
    case 0x039E: /* Ξ */
    case 0x03A0: /* Π */
    case 0x03A3: /* Σ */
    case 0x03A6: /* Φ */
    case 0x03A8: /* Ψ */
    case 0x03A9: /* Ω */
        return 1;
    case 0x20AC: /* € */
        return 2;
    default:
        return 0;
    }
}

/* How many units fit into a message of one segment, and into each segment of a longer one, which
 * gives 6 of its 140 octets to a header (3GPP TS 23.040 section 9.2.3.24.1). */
typedef struct capacity {
    int alone;
    int joined;
} capacity;

static const capacity gsm7_capacity = {160, 153};
static const capacity ucs2_capacity = {70, 67};

/* A text cut into joined segments, as far as it was read. */
typedef struct packing {
    int units;
    int segments;
    int room; /* units left in the last segment */
} packing;

/* A character that does not fit any more moves to the next segment as a whole. */
static void pack(packing *packed, int units, capacity fits)
{
    packed->units += units;
    if (packed->room < units) {
        packed->segments++;
        packed->room = fits.joined;
    }
    packed->room -= units;
}

static void finish(const packing *packed, capacity fits, tsms_segments *out)
{
    bool is_joined = packed->units > fits.alone;
    out->units = packed->units;
    out->per_segment = is_joined ? fits.joined : fits.alone;
    out->segments = is_joined ? packed->segments : packed->units > 0;
}

tsms_status tsms_segments_count(tsms_str text, tsms_segments *out, tsms_error *err)
{
    /* A byte is at most two units: the int fields of the result cannot overflow. */
    if (text.len > INT_MAX / 2) {
        return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST, "the text is over a gigabyte long");
    }
    packing gsm7 = {0, 0, 0};
    packing ucs2 = {0, 0, 0};
    int characters = 0;
    int64_t first_ucs2 = -1;
    size_t pos = 0;
    while (pos < text.len) {
        size_t start = pos;
        uint32_t code_point = (unsigned char)text.ptr[pos];
        if (code_point < 0x80) {
            pos++;
        } else if (!tsms__utf8_next(text, &pos, &code_point)) {
            return tsms__error_set(err, TSMS_KIND_INVALID_REQUEST,
                                   "the text is not UTF-8 at byte offset %zu", pos);
        }
        int septets = septets_of(code_point);
        if (septets == 0 && first_ucs2 < 0) {
            first_ucs2 = (int64_t)start;
        }
        pack(&gsm7, septets, gsm7_capacity);
        pack(&ucs2, code_point > 0xFFFF ? 2 : 1, ucs2_capacity);
        characters++;
    }
    out->encoding = first_ucs2 < 0 ? TSMS_ENCODING_GSM7 : TSMS_ENCODING_UCS2;
    out->characters = characters;
    out->first_ucs2 = first_ucs2;
    if (out->encoding == TSMS_ENCODING_GSM7) {
        finish(&gsm7, gsm7_capacity, out);
    } else {
        finish(&ucs2, ucs2_capacity, out);
    }
    return TSMS_OK;
}

tsms_encoding tsms__encoding_of(tsms_str text)
{
    for (size_t pos = 0; pos < text.len;) {
        unsigned char byte = (unsigned char)text.ptr[pos];
        bool is_there;
        if (byte < 0x80) {
            is_there = ascii_septets[byte] > 0;
            pos++;
        } else {
            size_t next = pos; /* so that pos itself stays in a register */
            uint32_t code_point;
            is_there = tsms__utf8_next(text, &next, &code_point) && septets_of(code_point) > 0;
            pos = next;
        }
        if (!is_there) {
            return TSMS_ENCODING_UCS2;
        }
    }
    return TSMS_ENCODING_GSM7;
}

const char *tsms_encoding_name(tsms_encoding encoding)
{
    return encoding == TSMS_ENCODING_GSM7 ? "GSM-7" : "UCS-2";
}
