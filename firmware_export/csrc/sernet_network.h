/* A network: takes the rows of its input, and gives its output at the end of each window.
 *
 *     static sernet_state state;
 *     sernet_init(&state);
 *     for (;;) {
 *         ...the next row, SERNET_MODEL_INPUT_ROW_BYTES values...
 *         if (sernet_push_row(&state, row) == 1)
 *             ...sernet_result(&state), SERNET_MODEL_OUTPUT_BYTES values...
 *     }
 *
 * An input value q means SERNET_MODEL_INPUT_SCALE * (q - SERNET_MODEL_INPUT_ZERO_POINT); the output
 * has SERNET_MODEL_OUTPUT_SCALE and _ZERO_POINT. Only one thread at a time may use a state. No
 * heap, no recursion, no global variables. */
#ifndef SERNET_H
#define SERNET_H

#include "sernet_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The types of the model's input and output. */
#ifdef SERNET_MODEL_INPUT_IS_UINT8
typedef uint8_t sernet_input_value;
#else
typedef int8_t sernet_input_value;
#endif
#ifdef SERNET_MODEL_OUTPUT_IS_UINT8
typedef uint8_t sernet_output_value;
#else
typedef int8_t sernet_output_value;
#endif

/* All data between calls; the members are private. */
typedef struct {
    uint32_t mark; /* marks an initialised state */
    uint32_t rows; /* rows of the current window so far */
    uint64_t net[(SERNET_MODEL_STATE_BYTES + 7) / 8];
} sernet_state;

/* Starts the first window, and resets the values that the network keeps from window to window.
 * Returns 0, or an error: SERNET_ERROR_NULL, _ALIGN, and with TensorFlow Lite Micro _SIZE if the
 * arena is too small. */
int sernet_init(sernet_state *state);

/* Takes the next row of a window and does its work. Returns 1 if the window's output is ready, 0 if
 * the network needs more rows, or an error: SERNET_ERROR_NULL, _STATE. The row after a window's
 * last one starts the next window; the network keeps its values from the window before. */
int sernet_push_row(sernet_state *state, const sernet_input_value *row);

/* Returns the output after the last row of a window; after any other row null. */
const sernet_output_value *sernet_result(const sernet_state *state);

#ifdef __cplusplus
}
#endif

#endif
