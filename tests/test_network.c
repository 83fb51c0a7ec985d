/* Tests of csrc/wire/network.c: what is an address or a network, and who belongs to it. */
#include "support.h"
#include "wire/network.h"

static void tells_who_belongs_to_a_network(void **state)
{
    static const struct {
        const char *network, *peer;
        bool belongs;
    } cases[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.0.0.0/8", "10.1.2.3:65535", true},
        {"192.0.2.7", "192.0.2.7", true},
        {"192.0.2.7", "192.0.2.7:80", true},
        {"192.0.2.7", "192.0.2.6", false},
        {"192.0.2.6/31", "192.0.2.7", true},
        {"192.0.2.6/31", "192.0.2.8", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "203.0.113.9", false},
        {"::1", "::1", true},
        {"::1", "[::1]", true},
        {"::1", "[::1]:443", true},
        {"::1", "0:0:0:0:0:0:0:1", true},
        {"::1", "::2", false},
        {"fe80::/10", "fe80::1%eth0", true},
        {"fe80::/10", "[febf::1%eth0]:80", true},
        {"fe80::/10", "fec0::1", false},
        {"2001:db8:8000::/33", "2001:db8:8000::1", true},
        {"2001:db8:8000::/33", "2001:db8:7fff::1", false},
        /* IPv4 in the clothes of IPv6 */
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"10.0.0.0/8", "[::ffff:10.1.2.3]:443", true},
        {"10.0.0.0/8", "::ffff:a01:203", true},
        {"10.0.0.0/8", "::ffff:11.1.2.3", false},
        {"::ffff:10.0.0.0/104", "10.1.2.3", true},
        {"::ffff:10.0.0.1", "10.0.0.1", true},
        {"::ffff:0:0/96", "203.0.113.9", true},
        {"10.0.0.0/8", "::10.1.2.3", false},
        /* no addresses */
        {"0.0.0.0/0", "", false},
        {"0.0.0.0/0", "unix:", false},
        {"0.0.0.0/0", "localhost", false},
        {"0.0.0.0/0", "10.0.0", false},
        {"0.0.0.0/0", "10.0.0.1 ", false},
        {"0.0.0.0/0", "10.0.0.256", false},
        {"0.0.0.0/0", "10.0.0.1, 10.0.0.2", false},
        {"::/0", "[::1", true},
        {"::/0", "[]:80", false},
        {"::/0", "1:2:3:4:5:6:7:8:9", false},
        {"::/0", "%eth0", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__network network;
        assert_true(tsms__network_parse(tsms_str_from(cases[i].network), &network));
        if (tsms__network_has(&network, tsms_str_from(cases[i].peer)) != cases[i].belongs) {
            fail_msg("%s and %s", cases[i].network, cases[i].peer);
        }
    }
    tsms__network all;
    assert_true(tsms__network_parse(tsms_str_from("0.0.0.0/0"), &all));
    assert_false(tsms__network_has(&all, (tsms_str){NULL, 0}));
    assert_false(tsms__network_has(&all, (tsms_str){"1.2.3.4\0", 8}));
}

static void refuses_what_is_no_network(void **state)
{
    static const char *const cases[] = {
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/8/8",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/8x",
        "10.0.0.0/ 8",
        "10.0.0.1/8",
        "10.0.0.0/0",
        "::1/127",
        "2001:db8::/129",
        "::ffff:10.0.0.0/95",
        "*",
        "localhost",
        "10/8",
        "[::1]",
        "10.0.0.0/0000000000000000000008",
        "::ffff:0:0/-9223372036854775808",
        "fe80::1%eth0",
        "010.0.0.1",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tsms__network network;
        if (tsms__network_parse(tsms_str_from(cases[i]), &network)) {
            fail_msg("'%s' was taken", cases[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_who_belongs_to_a_network),
        cmocka_unit_test(refuses_what_is_no_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
