/* Replays golden windows of many networks, on a PC or under QEMU, and prints each difference.
 * The test writes cases.h and the tables. */
#include <string.h>

#include "cases.h"
#include "report.h"

/* Each state lies at the array's end, so a write beyond the state also leaves the array. */
static uint64_t memory[(MOST_STATE_BYTES + 7) / 8];

int main(void) {
    int32_t failures = 0, windows = 0;
    for (uint32_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const sernet_net *net = cases[i]->net != NULL ? cases[i]->net : cases[i]->stream->body;
        const uint32_t bytes = net->state_bytes;
        void *state = (int8_t *)memory + sizeof memory - bytes;
        /* Not zero: the engine must not rely on zeroed memory. */
        memset(memory, 0xA5, sizeof memory);
        const int32_t differing = sernet_selftest(cases[i], state, bytes);
        windows += cases[i]->windows;
        if (differing != 0) {
            report_number("case ", (int32_t)i);
            report_number("  values that differ, or error: ", differing);
            failures++;
        }
        for (uint32_t j = 0; j < (sizeof memory - bytes) / 8; j++)
            if (memory[j] != 0xA5A5A5A5A5A5A5A5u) {
                report_number("a write before the state of case ", (int32_t)i);
                failures++;
                break;
            }
    }
    report_number("cases ", (int32_t)(sizeof cases / sizeof *cases));
    report_number("windows ", windows);
    report_number("failures ", failures);
    return failures != 0;
}
