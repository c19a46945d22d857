/* The self-test: checks that this build, on this machine, computes the outputs of TensorFlow Lite.
 * On a board, call the function and check its return value. */
#include <stdio.h>

#include "sernet.h"
#include "sernet_selftest.h"

extern const sernet_golden sernet_model_golden;

static sernet_state state;

int main(void) {
    const long outputs = sernet_selftest(&sernet_model_golden, state.net, sizeof state.net);
    if (outputs < 0) {
        printf("self-test failed: %ld\n", outputs);
        return 1;
    }
    printf("outputs that differ: %ld of %ld\n", outputs,
           (long)sernet_model_golden.windows * SERNET_MODEL_OUTPUT_BYTES);
    puts(outputs == 0 ? "self-test passed" : "self-test failed");
    return outputs != 0;
}
