/* A network: rows of its input in, its output at the end of each window.
 *
 *     static sernet_state state;
 *     sernet_init(&state);
 *     for (;;) {
 *         ...the next row, SERNET_MODEL_INPUT_ROW_BYTES values...
 *         if (sernet_push_row(&state, row) == 1)
 *             ...sernet_result(&state), SERNET_MODEL_OUTPUT_BYTES values...
 *     }
 *
 * A value q stands for SERNET_MODEL_INPUT_SCALE * (q - SERNET_MODEL_INPUT_ZERO_POINT), and the
 * output's likewise. A state is for one thread at a time. No heap, no recursion, no global
 * variables. */
#ifndef SERNET_H
#define SERNET_H

#include "sernet_model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The model's types. */
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

/* Everything that is remembered between calls; its members are private. */
typedef struct {
    uint32_t mark; /* tells a state that was initialised */
    uint32_t rows; /* of the window in progress */
    uint64_t net[(SERNET_MODEL_STATE_BYTES + 7) / 8];
} sernet_state;

/* Starts the first window; a network that keeps a state forgets it. Returns 0, or an error: SERNET_ERROR_NULL, _ALIGN, and with TensorFlow Lite
 * Micro _SIZE when the arena is too small. */
int sernet_init(sernet_state *state);

/* Takes the next row of a window and does the work that it allows. Returns 1 when the window's
 * output is there, 0 when it takes more rows, or an error: SERNET_ERROR_NULL, _STATE. The row
 * after a window's last one starts the next window, which finds the state of the one before. */
int sernet_push_row(sernet_state *state, const sernet_input_value *row);

/* Returns the output of the window whose last row was pushed last, null at any other time. */
const sernet_output_value *sernet_result(const sernet_state *state);

#ifdef __cplusplus
}
#endif

#endif
