/* Measures the network alone on a board: counts the instructions of one window, from the first row
 * to the scores, checks the scores, and prints the stack in use. Then it computes the window again
 * and counts each step of each layer separately, in the engine's order. */
#include "measure.h"
#include "sernet_model.h"
#include "sernet_selftest.h"

enum { MOST_LAYERS = 251 }; /* the limit of reader.py, and a COLLECT */

extern const sernet_golden sernet_model_golden;
static uint64_t state[(SERNET_MODEL_STATE_BYTES + 7) / 8];

/* The same layers with kernels that count. They lie in a section that does not count as the
 * network's RAM. */
#define OWN __attribute__((section(".harness")))
OWN static sernet_layer counting[MOST_LAYERS];
OWN static sernet_net counting_net;

static void counted(const sernet_step *step) {
    sernet_kernel *kernel = sernet_model_golden.net->layers[step->layer - step->layers].run;
    BOARD_COUNT_START();
    kernel(step);
    BOARD_COUNT_STOP();
}

/* Computes a window; returns the scores, int8 (output_bytes). It is inline, so that its stack frame
 * does not count as the network's. */
__attribute__((always_inline)) static inline const int8_t *window(const sernet_net *net) {
    const int8_t *row = sernet_model_golden.inputs;
    sernet_net_reset(net, state, sizeof state);
    for (uint32_t i = 0; i < sernet_model_golden.rows; i++, row += sernet_model_golden.row_bytes)
        sernet_net_push(net, state, row);
    return sernet_net_output(net, state);
}

static uint32_t differing(const int8_t *output) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < sernet_model_golden.output_bytes; i++)
        count += output[i] != sernet_model_golden.outputs[i];
    return count;
}

int main(void) {
    const sernet_net *net = sernet_model_golden.net;
    BOARD_COUNT_START();
    const int8_t *output = window(net);
    BOARD_COUNT_STOP();
    print_number("stack ", board_stack_used());
    uint32_t wrong = differing(output);
    counting_net = *net;
    counting_net.layers = counting;
    for (uint32_t i = 0; i < net->layer_count; i++) {
        counting[i] = net->layers[i];
        /* The input and the states have no kernel. */
        if (counting[i].run != NULL) counting[i].run = counted;
    }
    /* With TensorFlow Lite Micro behind this interface there are no layers to count. */
    if (net->layer_count > 0) wrong += differing(window(&counting_net));
    print_number("differing ", wrong);
    return wrong != 0;
}
