/* The tap: what it keeps of each transfer, and what it does without memory. */
#include "virtual_driver.h"

#define TO "+15005550001"

static tsms__tapped *take(virtual_driver *d)
{
    tsms__tapped *entry = tsms__tap_take(&d->client->tap);
    assert_non_null(entry);
    return entry;
}

static void give_back(virtual_driver *d, tsms__tapped *entry)
{
    tsms__free(d->client->tap.mem, entry);
}

static void test_it_is_off_at_first(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "");
    virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 1000);
    assert_int_equal(virtual_collect(&d), 1);
    assert_null(tsms__tap_take(&d.client->tap));
    virtual_close(&d);
}

static void test_a_send(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "");
    tsms__tap_set(&d.client->tap, true);
    d.script = "429:7";
    uint64_t id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    int64_t began_ms = d.now.mono_ms;
    virtual_run(&d, VIRTUAL_TAKES_MS);
    tsms__tapped *entry = take(&d);
    assert_true(entry->call_id == id);
    assert_int_equal(entry->operation, TSMS_OP_SEND);
    assert_false(entry->lookup);
    assert_int_equal(entry->method, TSMS__POST);
    assert_str_is(entry->path, "/2010-04-01/Accounts/" VIRTUAL_ACCOUNT "/Messages.json");
    assert_str_is(entry->form, "To=%2B15005550001&From=%2B15005550006&Body=hello");
    assert_true(entry->started_ms == began_ms);
    assert_true(entry->ended_ms == began_ms + VIRTUAL_TAKES_MS);
    /* The flight and its texts are gone by now. */
    const tsms__response *response = &entry->transfer.response;
    assert_true(entry->transfer.sent);
    assert_int_equal(entry->transfer.fault, TSMS_KIND_NONE);
    assert_int_equal(response->http_status, 429);
    assert_true(response->complete);
    assert_str_is(response->body, "{\"code\":null,\"message\":\"no\"}");
    assert_str_is(response->retry_after, "7");
    assert_str_is(response->date, "Tue, 14 Nov 2023 22:13:20 +0000");
    assert_null(response->request_id.ptr);
    assert_null(entry->next);
    give_back(&d, entry);
    assert_null(tsms__tap_take(&d.client->tap));
    virtual_close(&d);
}

/* A message in doubt is looked for: that is a GET of its own, and no form goes with it. */
static void test_a_fault_and_the_look_up_behind_it(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "");
    tsms__tap_set(&d.client->tap, true);
    d.script = "reset mine";
    uint64_t id = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
    virtual_run(&d, 60000);
    assert_result(&d, "verified 1");

    tsms__tapped *entry = take(&d);
    assert_false(entry->lookup);
    assert_true(entry->transfer.sent);
    assert_int_equal(entry->transfer.fault, TSMS_KIND_CONNECTION_FAILED);
    assert_str_is(entry->transfer.fault_text, "connection reset");
    assert_int_equal(entry->transfer.response.http_status, 0);
    assert_null(entry->transfer.response.body.ptr);
    give_back(&d, entry);

    entry = take(&d);
    assert_true(entry->call_id == id);
    assert_int_equal(entry->operation, TSMS_OP_SEND);
    assert_true(entry->lookup);
    assert_int_equal(entry->method, TSMS__GET);
    assert_true(tsms__str_starts(
        entry->path, TSMS__STR("/2010-04-01/Accounts/" VIRTUAL_ACCOUNT "/Messages.json?To=")));
    assert_int_equal(entry->form.len, 0);
    assert_int_equal(entry->transfer.response.http_status, 200);
    give_back(&d, entry);
    assert_null(tsms__tap_take(&d.client->tap));
    virtual_close(&d);
}

static void test_the_order_is_that_in_which_they_ended(void **state)
{
    virtual_driver d;
    virtual_open(&d, NULL, "rate.per_number=0");
    tsms__tap_set(&d.client->tap, true);
    uint64_t ids[3];
    for (size_t i = 0; i < 3; i++) {
        ids[i] = virtual_send(&d, TO, VIRTUAL_FROM, "hello");
        virtual_run(&d, 10);
    }
    virtual_run(&d, 1000);
    for (size_t i = 0; i < 3; i++) {
        tsms__tapped *entry = take(&d);
        assert_true(entry->call_id == ids[i]);
        give_back(&d, entry);
    }
    assert_null(tsms__tap_take(&d.client->tap));
    virtual_close(&d);
}

static void send_one(virtual_driver *d)
{
    virtual_send(d, TO, VIRTUAL_FROM, "hello");
    virtual_run(d, 1000);
    assert_int_equal(virtual_collect(d), 1);
}

static void test_off_forgets_what_is_left(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    virtual_driver d;
    virtual_open(&d, &tm.mem, "rate.per_number=0");
    send_one(&d);
    size_t live = tm.live;
    tsms__tap_set(&d.client->tap, true);
    for (int i = 0; i < 3; i++) {
        send_one(&d);
    }
    assert_int_equal(tm.live, live + 3);
    tsms__tap_set(&d.client->tap, false);
    assert_int_equal(tm.live, live);
    assert_null(tsms__tap_take(&d.client->tap));

    tsms__tap_set(&d.client->tap, true);
    send_one(&d); /* this one the end of the client must free */
    virtual_close(&d);
    assert_int_equal(tm.live, 0);
}

/* Without memory the call goes on, and the tap says how many it has missed. */
static void test_what_is_lost_is_counted(void **state)
{
    test_mem tm;
    test_mem_init(&tm, 0);
    virtual_driver d;
    virtual_open(&d, &tm.mem, "rate.per_number=0");
    send_one(&d);
    tsms__tap_set(&d.client->tap, true);
    assert_int_equal(tsms__tap_lost(&d.client->tap), 0);
    for (uint64_t lost = 1; lost <= 2; lost++) {
        virtual_send(&d, TO, VIRTUAL_FROM, "hello");
        virtual_run(&d, VIRTUAL_TAKES_MS - 1);
        tm.fail_at = tm.calls + 1; /* the next thing to be kept is the copy */
        virtual_run(&d, 1);
        assert_int_equal(d.client->tap.lost, lost);
    }
    assert_int_equal(virtual_collect(&d), 2);
    assert_null(tsms__tap_take(&d.client->tap));
    assert_int_equal(tsms__tap_lost(&d.client->tap), 2);
    assert_int_equal(tsms__tap_lost(&d.client->tap), 0);
    send_one(&d);
    give_back(&d, take(&d));
    virtual_close(&d);
    assert_int_equal(tm.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_off_at_first),
        cmocka_unit_test(test_a_send),
        cmocka_unit_test(test_a_fault_and_the_look_up_behind_it),
        cmocka_unit_test(test_the_order_is_that_in_which_they_ended),
        cmocka_unit_test(test_off_forgets_what_is_left),
        cmocka_unit_test(test_what_is_lost_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
