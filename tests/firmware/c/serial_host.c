/* The self-test over a serial line, on standard input and output: serial_host [FAULT]
 *
 * FAULT names the results to falsify: "features", "scores", "labels" or "events". The simulated
 * cycle counter grows by 1,000 at each read and wraps soon after the start. */
#include <string.h>
#include <unistd.h>

#include "sernet_serial.h"

SERNET_STATE(state);
static sernet_serial serial;
static const char *fault = "";
static int ended;

static size_t read_input(uint8_t *bytes, size_t most) {
    const ssize_t count = read(0, bytes, most);
    ended = count <= 0;
    return count > 0 ? (size_t)count : 0;
}

static void write_output(const uint8_t *bytes, size_t count) {
    while (count > 0) {
        const ssize_t written = write(1, bytes, count);
        if (written <= 0) return;
        bytes += written;
        count -= (size_t)written;
    }
}

static uint32_t count_cycles(void) {
    static uint32_t cycles = UINT32_MAX - 50000;
    return cycles += 1000;
}

/* The linker calls this function instead of sernet_poll. */
int __real_sernet_poll(void *memory, sernet_result *result);
int __wrap_sernet_poll(void *memory, sernet_result *result);
int __wrap_sernet_poll(void *memory, sernet_result *result) {
    const int status = __real_sernet_poll(memory, result);
    if (strcmp(fault, "scores") == 0) result->scores_int8[0] = (int8_t)(result->scores_int8[0] ^ 1);
    if (strcmp(fault, "labels") == 0)
        result->label = (uint16_t)((result->label + 1) % SERNET_LABEL_COUNT);
    return status;
}

#ifdef SERNET_DECIDE
void __real_sernet_decide(sernet_decider *decider, const sernet_result *result, int drifts,
                          sernet_decision *decision);
void __wrap_sernet_decide(sernet_decider *decider, const sernet_result *result, int drifts,
                          sernet_decision *decision);
void __wrap_sernet_decide(sernet_decider *decider, const sernet_result *result, int drifts,
                          sernet_decision *decision) {
    __real_sernet_decide(decider, result, drifts, decision);
    if (strcmp(fault, "events") == 0 && decision->event_count > 0)
        decision->events[decision->event_count - 1].start_s += 0.016;
}
#endif

int main(int argc, char **argv) {
    const sernet_port port = {"a PC", 1000000, read_input, write_output, count_cycles};
    sernet_state *s = (sernet_state *)(void *)state;
    if (argc > 1) fault = argv[1];
    if (sernet_serial_init(&serial, &port, state, sizeof state) < 0) return 1;
    while (!ended) {
        sernet_serial_step(&serial);
        /* The same value each time: the network must compute with what the report says. */
        if (strcmp(fault, "features") == 0) s->rows[7][5] = 100;
    }
    return 0;
}
