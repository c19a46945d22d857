/* The self-test over a serial line: `sernet-edge selftest` sends audio, this answers with the
 * features, scores and cycles that the board came to. docs/guides/selftest.md of sernet-edge describes
 * the frames.
 *
 *     static sernet_serial serial;
 *     SERNET_STATE(state);
 *     if (sernet_serial_init(&serial, &port, state, sizeof state) < 0) ...an error...
 *     for (;;) sernet_serial_step(&serial);
 *
 * The computer sends nothing before it has the answer to what it sent last, so a UART that is
 * polled loses nothing while the board computes. No heap, no recursion, no global variables. */
#ifndef SERNET_SERIAL_H
#define SERNET_SERIAL_H

#include "sernet.h"

/* With SERNET_DECIDE the board decides, too, and tells the decision of its last result. */
#ifdef SERNET_DECIDE
#include "sernet_decide.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when a program for one version cannot talk to a board with another. */
#define SERNET_SERIAL_VERSION 1

/* Bytes of a frame: "SE", type, number, length; what it carries, at most; its checksum. */
#define SERNET_SERIAL_HEADER 6
#define SERNET_SERIAL_PAYLOAD 512
#define SERNET_SERIAL_CHECKSUM 4
#define SERNET_SERIAL_FRAME (SERNET_SERIAL_HEADER + SERNET_SERIAL_PAYLOAD + SERNET_SERIAL_CHECKSUM)

/* Samples in one frame: no more than a step, so that no push completes two rows of features. */
#define SERNET_SERIAL_SAMPLES                                                                      \
    (SERNET_FRAME_STEP_SAMPLES < SERNET_SERIAL_PAYLOAD / 2 ? SERNET_FRAME_STEP_SAMPLES             \
                                                           : SERNET_SERIAL_PAYLOAD / 2)

/* What the board provides. */
typedef struct {
    const char *board; /* its name, up to 63 bytes of UTF-8 */
    uint32_t clock_hz; /* of the core; 0: not known */
    /* Copies up to `most` bytes that have come, without waiting; returns how many, 0 to `most`. */
    size_t (*read)(uint8_t *bytes, size_t most);
    /* Sends all of it; may wait. */
    void (*write)(const uint8_t *bytes, size_t count);
    /* A counter of the core's cycles that wraps at 2^32, or NULL: there is none. */
    uint32_t (*cycles)(void);
} sernet_port;

/* Everything that is remembered between calls; its members are private. */
typedef struct {
    const sernet_port *port;
    void *state;
    size_t state_bytes;
    uint64_t frontend_cycles; /* of the stream so far */
    uint64_t network_cycles;  /* since the last result */
    uint32_t received;        /* bytes of `request` */
    uint32_t answered;        /* bytes of `reply`; 0: no request has come yet */
    int16_t pcm[SERNET_SERIAL_SAMPLES];
#ifdef SERNET_DECIDE
    sernet_decider decider;
    sernet_decision decision; /* of the last result */
    uint32_t drifts;          /* what the decision was told of that window */
#endif
#ifdef SERNET_HEAD
    uint8_t head[SERNET_HEAD_BYTES]; /* as far as it was sent */
    uint32_t is_taught;              /* whether the whole of it was taken */
#endif
    uint8_t request[SERNET_SERIAL_FRAME];
    uint8_t reply[SERNET_SERIAL_FRAME]; /* kept: it is sent again if it got lost */
} sernet_serial;

/* Gets ready to serve with a stream's state (see sernet.h). Errors: those of sernet_init. */
int sernet_serial_init(sernet_serial *serial, const sernet_port *port, void *state, size_t bytes);

/* Takes what has come and answers it, computing no more than eight parts of the network's work. */
void sernet_serial_step(sernet_serial *serial);

#ifdef __cplusplus
}
#endif

#endif
