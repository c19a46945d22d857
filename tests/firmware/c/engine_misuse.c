/* Each wrong call must return an error code and never cause undefined behaviour. */
#include <stdio.h>
#include <string.h>

#include "sernet_selftest.h"
#include "tested.h"

extern const sernet_golden tested_golden;
static uint64_t state[(TESTED_STATE_BYTES + 7) / 8 + 1];
static int failures;

static void expect(const char *what, long found, long wanted) {
    if (found == wanted) return;
    printf("%s: %ld, not %ld\n", what, found, wanted);
    failures++;
}

int main(void) {
    const int8_t *row = tested_golden.inputs;
    expect("reset of no network", sernet_net_reset(NULL, state, sizeof state), SERNET_ERROR_NULL);
    expect("reset of no state", sernet_net_reset(&tested, NULL, sizeof state), SERNET_ERROR_NULL);
    expect("reset of a small state", sernet_net_reset(&tested, state, TESTED_STATE_BYTES - 1),
           SERNET_ERROR_SIZE);
    expect("reset of a misaligned state",
           sernet_net_reset(&tested, (int8_t *)state + 4, TESTED_STATE_BYTES), SERNET_ERROR_ALIGN);
    expect("reset", sernet_net_reset(&tested, state, sizeof state), SERNET_OK);
    expect("push of no row", sernet_net_push(&tested, state, NULL), SERNET_ERROR_NULL);
    expect("push to no state", sernet_net_push(&tested, NULL, row), SERNET_ERROR_NULL);
    expect("output of no state", sernet_net_output(&tested, NULL) == NULL, 1);
    expect("self-test of nothing", sernet_selftest(NULL, state, sizeof state), SERNET_ERROR_NULL);
    expect("self-test in a small state", sernet_selftest(&tested_golden, state, 8),
           SERNET_ERROR_SIZE);

    /* An abandoned window does not affect the next one. */
    for (int i = 0; i < TESTED_INPUT_ROWS / 2; i++) sernet_net_push(&tested, state, row);
    expect("self-test after half a window", sernet_selftest(&tested_golden, state, sizeof state), 0);

    /* Rows beyond the window's last one have no effect. */
    sernet_net_reset(&tested, state, sizeof state);
    int status = SERNET_OK;
    for (int i = 0; i < TESTED_INPUT_ROWS; i++) {
        expect("push before the last row", status, SERNET_OK);
        status = sernet_net_push(&tested, state, row + i * TESTED_INPUT_ROW_BYTES);
    }
    expect("push of the last row", status, SERNET_READY);
    for (int i = 0; i < 3; i++)
        expect("push after the last row", sernet_net_push(&tested, state, row), SERNET_READY);
    expect("output after more rows",
           memcmp(sernet_net_output(&tested, state), tested_golden.outputs, TESTED_OUTPUT_BYTES), 0);
    return failures;
}
