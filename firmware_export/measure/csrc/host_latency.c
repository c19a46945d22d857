/* Measures how long the native engine takes for a window on this computer, and for each layer.
 * After the lines of host_time.h it prints a line `layer` for each layer, in order: the shortest
 * time in five windows, because other programs can only make it longer. */
#define _POSIX_C_SOURCE 199309L

#include <string.h>

#include "host_time.h"
#include "sernet_model.h"
#include "sernet_selftest.h"

enum { MOST_LAYERS = 251 /* the limit of reader.py, and a COLLECT */, LAYER_WINDOWS = 5 };

extern const sernet_golden sernet_model_golden;
static uint64_t state[(SERNET_MODEL_STATE_BYTES + 7) / 8];
static sernet_layer timed_layers[MOST_LAYERS];
static long long layer_ns[MOST_LAYERS], least_ns[MOST_LAYERS];

static void timed(const sernet_step *step) {
    const ptrdiff_t i = step->layer - step->layers;
    const long long start = now(CLOCK_MONOTONIC);
    sernet_model_golden.net->layers[i].run(step);
    layer_ns[i] += now(CLOCK_MONOTONIC) - start;
}

static void push_window(const sernet_net *net) {
    const int8_t *row = sernet_model_golden.inputs;
    sernet_net_reset(net, state, sizeof state);
    for (uint32_t i = 0; i < sernet_model_golden.rows; i++, row += sernet_model_golden.row_bytes)
        sernet_net_push(net, state, row);
}

static void window(void) { push_window(sernet_model_golden.net); }

int main(int argc, char **argv) {
    const int status = time_repeatedly(argc, argv, window);
    if (status != 0) return status;
    sernet_net net = *sernet_model_golden.net;
    for (int i = 0; i < net.layer_count; i++) {
        timed_layers[i] = net.layers[i];
        timed_layers[i].run = timed;
    }
    net.layers = timed_layers;
    for (int i = 0; i < LAYER_WINDOWS; i++) {
        memset(layer_ns, 0, sizeof layer_ns);
        push_window(&net);
        for (int j = 0; j < net.layer_count; j++)
            if (i == 0 || layer_ns[j] < least_ns[j]) least_ns[j] = layer_ns[j];
    }
    for (int i = 0; i < net.layer_count; i++) printf("layer %lld\n", least_ns[i]);
    return 0;
}
