/* The self-test over a serial line: `sernet-edge selftest` sends audio, and this program answers
 * with the board's features, scores and cycles. sernet-edge's docs/guides/selftest.md describes the
 * frames.
 *
 *     static sernet_serial serial;
 *     SERNET_STATE(state);
 *     if (sernet_serial_init(&serial, &port, state, sizeof state) < 0) ...an error...
 *     for (;;) sernet_serial_step(&serial);
 *
 * The computer sends a request only after the answer to the last one, so a polled UART loses
 * nothing while the board computes. No heap, no recursion, no global variables. */
#ifndef SERNET_SERIAL_H
#define SERNET_SERIAL_H

#include "sernet.h"

/* With SERNET_DECIDE the board also decides, and sends the decision on its last result. */
#ifdef SERNET_DECIDE
#include "sernet_decide.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when a program can no longer talk to earlier boards. */
#define SERNET_SERIAL_VERSION 1

/* Bytes of a frame: "SE", type, number, length; at most so many of payload; checksum. */
#define SERNET_SERIAL_HEADER 6
#define SERNET_SERIAL_PAYLOAD 512
#define SERNET_SERIAL_CHECKSUM 4
#define SERNET_SERIAL_FRAME (SERNET_SERIAL_HEADER + SERNET_SERIAL_PAYLOAD + SERNET_SERIAL_CHECKSUM)

/* Samples in one request: at most a step, so that no push completes two rows of features. */
#define SERNET_SERIAL_SAMPLES                                                                      \
    (SERNET_FRAME_STEP_SAMPLES < SERNET_SERIAL_PAYLOAD / 2 ? SERNET_FRAME_STEP_SAMPLES             \
                                                           : SERNET_SERIAL_PAYLOAD / 2)

/* The board's functions and facts. */
typedef struct {
    const char *board; /* its name, up to 63 bytes of UTF-8 */
    uint32_t clock_hz; /* the core's clock; 0: unknown */
    /* Copies up to `most` received bytes, without waiting; returns how many, 0 to `most`. */
    size_t (*read)(uint8_t *bytes, size_t most);
    /* Sends all bytes; may wait. */
    void (*write)(const uint8_t *bytes, size_t count);
    /* Returns the core's cycles, a counter that wraps at 2^32; NULL: the core has no counter. */
    uint32_t (*cycles)(void);
} sernet_port;

/* All data between calls; the members are private. */
typedef struct {
    const sernet_port *port;
    void *state;
    size_t state_bytes;
    uint64_t frontend_cycles; /* cycles of the front end since the stream's start */
    uint64_t network_cycles;  /* cycles of the network since the last result */
    uint32_t received;        /* received bytes in `request` */
    uint32_t answered;        /* bytes of `reply`; 0: there was no request yet */
    int16_t pcm[SERNET_SERIAL_SAMPLES];
#ifdef SERNET_DECIDE
    sernet_decider decider;
    sernet_decision decision; /* the decision on the last result */
    uint32_t drifts;          /* whether the last window was above the drift limit */
#endif
#ifdef SERNET_HEAD
    uint8_t head[SERNET_HEAD_BYTES]; /* the block of a head, or the parts received so far */
    uint32_t is_taught;              /* whether `head` is complete and in use */
#endif
    uint8_t request[SERNET_SERIAL_FRAME];
    uint8_t reply[SERNET_SERIAL_FRAME]; /* the last answer, which is sent again if it got lost */
} sernet_serial;

/* Prepares the self-test with the state of a stream (see sernet.h). Errors: those of sernet_init.
 * */
int sernet_serial_init(sernet_serial *serial, const sernet_port *port, void *state, size_t bytes);

/* Reads received bytes and answers a request; does at most eight parts of the network's work. */
void sernet_serial_step(sernet_serial *serial);

#ifdef __cplusplus
}
#endif

#endif
