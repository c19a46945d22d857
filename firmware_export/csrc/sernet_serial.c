#include "sernet_serial.h"

#include <string.h>

#include "sernet_crc32.h"
#include "sernet_identity.h"

#define MARK_0 'S'
#define MARK_1 'E'
#define PARTS_AT_ONCE 8
#define MOST_NAME 63

/* The answer with a result must fit a frame. */
#if 27 + 5 * SERNET_LABEL_COUNT > SERNET_SERIAL_PAYLOAD
#error "the model has too many labels for the self-test over a serial line"
#endif

/* The answer to audio must fit a frame. */
#if SERNET_SHARES_ROWS && 2 + SERNET_FEATURE_COUNT > SERNET_SERIAL_PAYLOAD
#error "the model has too many features for the self-test over a serial line"
#endif

/* Types of requests. An answer has the same letter in lower case, or an e for an error. */
enum {
    HELLO = 'H',
    RESET = 'R',
    AUDIO = 'A',
    POLL = 'P',
    FEATURES = 'F',
    TEACH = 'T',
    DECISION = 'D',
    ERROR = 'e'
};

/* The abilities of a board, in its answer to HELLO. */
enum { COUNTS_CYCLES = 1, SHARES_ROWS = 2, DECIDES = 4 };

#ifdef SERNET_DECIDE
#define MAY_DECIDE DECIDES
#else
#define MAY_DECIDE 0
#endif

/* An answer to POLL starts with one of these. */
enum { NEEDS_AUDIO = 0, RESULT = 1, BUSY = 2 };

/* Numbers on the line are little-endian on every core. */
static uint8_t *put(uint8_t *at, uint64_t value, uint32_t bytes) {
    while (bytes-- > 0) {
        *at++ = (uint8_t)value;
        value >>= 8;
    }
    return at;
}

static uint32_t get(const uint8_t *at, uint32_t bytes) {
    uint32_t value = 0;
    while (bytes-- > 0) value = value << 8 | at[bytes];
    return value;
}

static uint8_t *put_float(uint8_t *at, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put(at, bits, 4);
}

#ifdef SERNET_DECIDE

static uint8_t *put_double(uint8_t *at, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put(at, bits, 8);
}

static void decide(sernet_serial *serial, const sernet_result *result) {
#ifdef SERNET_MEASURE_DRIFT
    serial->drifts = SERNET_DRIFTS(result->drift);
#endif
    sernet_decide(&serial->decider, result, serial->drifts != 0, &serial->decision);
}

/* Writes the settings of decisions, and the decision on the last result. */
static uint8_t *decision(const sernet_serial *serial, uint8_t *at) {
    const sernet_decision *found = &serial->decision;
    at = put_double(at, SERNET_DECIDE_SMOOTHING);
    at = put_double(at, SERNET_DECIDE_UNSURE_BELOW);
    at = put_double(at, SERNET_EVIDENCE_S);
    at = put_double(at, SERNET_RELEASE_S);
    at = put_double(at, SERNET_REFRACTORY_S);
    at = put(at, found->label, 2);
    at = put(at, found->is_sure, 1);
    at = put(at, serial->drifts, 1);
    at = put(at, found->event_count, 1);
    for (uint32_t i = 0; i < found->event_count; i++) {
        const sernet_event *event = &found->events[i];
        at = put(at, (uint64_t)event->kind, 1);
        at = put(at, event->label, 2);
        at = put(at, event->number, 4);
        at = put_double(at, event->start_s);
        at = put_double(at, event->end_s);
        at = put_double(at, event->peak);
    }
    return at;
}

#endif

static uint32_t now(const sernet_serial *serial) {
    return serial->port->cycles != NULL ? serial->port->cycles() : 0;
}

static uint8_t *hello(const sernet_serial *serial, uint8_t *at) {
    const sernet_port *port = serial->port;
    at = put(at, SERNET_SERIAL_VERSION, 1);
    at = put(at, (port->cycles != NULL ? COUNTS_CYCLES : 0) |
                     (SERNET_SHARES_ROWS ? SHARES_ROWS : 0) | MAY_DECIDE, 1);
    at = put(at, SERNET_SERIAL_SAMPLES, 2);
    at = put(at, SERNET_CONTRACT_ID_U64, 8);
    at = put(at, SERNET_MODEL_CHECKSUM_U64, 8);
    at = put(at, port->clock_hz, 4);
    at = put(at, SERNET_WINDOW_FRAMES, 4);
    at = put(at, SERNET_EVERY_FRAMES, 4);
    at = put(at, SERNET_FEATURE_COUNT, 4);
    at = put(at, SERNET_LABEL_COUNT, 4);
    at = put_float(at, SERNET_SMOOTH);
    for (int i = 0; i < MOST_NAME && port->board[i] != '\0'; i++) *at++ = (uint8_t)port->board[i];
    return at;
}

static int reset(sernet_serial *serial) {
    serial->frontend_cycles = serial->network_cycles = 0;
#ifdef SERNET_DECIDE
    sernet_decider_reset(&serial->decider);
    memset(&serial->decision, 0, sizeof serial->decision);
    serial->drifts = 0;
#endif
    const int status = sernet_init(serial->state, serial->state_bytes);
#ifdef SERNET_HEAD
    if (status == SERNET_OK && serial->is_taught)
        return sernet_set_head(serial->state, serial->head, sizeof serial->head);
#endif
    return status;
}

/* Takes a part of a head's block: an offset and the bytes. An offset without bytes is the length of
 * the complete block, and loads it. */
static int teach(sernet_serial *serial, const uint8_t *request, uint32_t length) {
#ifdef SERNET_HEAD
    if (length < 4) return SERNET_ERROR_SIZE;
    const uint32_t at = get(request, 4), count = length - 4;
    if (at > sizeof serial->head || count > sizeof serial->head - at) return SERNET_ERROR_SIZE;
    memcpy(serial->head + at, request + 4, count);
    if (count > 0) {
        serial->is_taught = 0;
        return SERNET_OK;
    }
    const int status = sernet_set_head(serial->state, serial->head, at);
    serial->is_taught = status == SERNET_OK;
    return status;
#else
    (void)serial;
    (void)request;
    (void)length;
    return SERNET_ERROR_MODEL;
#endif
}

/* Pushes samples and writes how many were taken. With shared rows it also writes the row of
 * features that they completed, because the state does not store this row until a result is due. */
static int push(sernet_serial *serial, const uint8_t *bytes, uint32_t count, uint8_t **at) {
    if (count > 2 * SERNET_SERIAL_SAMPLES || count % 2 != 0) return SERNET_ERROR_SIZE;
    for (uint32_t i = 0; i < count / 2; i++) {
        const int32_t sample = (int32_t)get(bytes + 2 * i, 2);
        serial->pcm[i] = (int16_t)(sample < 32768 ? sample : sample - 65536);
    }
#if SERNET_SHARES_ROWS
    const sernet_state *s = serial->state;
    const uint64_t frames = s->frames;
#endif
    const uint32_t start = now(serial);
    const int32_t taken = sernet_push(serial->state, serial->pcm, count / 2);
    serial->frontend_cycles += (uint32_t)(now(serial) - start);
    if (taken < 0) return taken;
    *at = put(*at, (uint32_t)taken, 2);
#if SERNET_SHARES_ROWS
    if (s->frames != frames) {
        memcpy(*at, s->rows[(s->first + s->waiting - 1) % SERNET_QUEUE_ROWS], SERNET_FEATURE_COUNT);
        *at += SERNET_FEATURE_COUNT;
    }
#endif
    return SERNET_OK;
}

/* Does a part of the network's work; writes whether it needs audio, is busy or has a result. */
static int poll(sernet_serial *serial, uint8_t **at) {
    int status = 1;
    for (int part = 0; part < PARTS_AT_ONCE && status == 1; part++) {
        const uint32_t start = now(serial);
        status = sernet_work(serial->state);
        serial->network_cycles += (uint32_t)(now(serial) - start);
    }
    if (status < 0) return status;
    if (status == 1) {
        *at = put(*at, BUSY, 1);
        return SERNET_OK;
    }
    sernet_result result;
    status = sernet_poll(serial->state, &result);
    if (status < 0) return status;
    *at = put(*at, status == SERNET_READY ? RESULT : NEEDS_AUDIO, 1);
    if (status != SERNET_READY) return SERNET_OK;
    *at = put(*at, result.frames, 8);
    *at = put(*at, result.label, 2);
    *at = put(*at, serial->network_cycles, 8);
    *at = put(*at, serial->frontend_cycles, 8);
    memcpy(*at, result.scores_int8, SERNET_LABEL_COUNT);
    *at += SERNET_LABEL_COUNT;
    for (uint32_t i = 0; i < SERNET_LABEL_COUNT; i++) *at = put_float(*at, result.scores[i]);
    serial->network_cycles = 0;
#ifdef SERNET_DECIDE
    decide(serial, &result);
#endif
    return SERNET_OK;
}

#if !SERNET_SHARES_ROWS

/* Returns a row of the last result's window; right after a result the ring holds only that
 * window. */
static void finished_row(const sernet_state *s, uint32_t number, int8_t *row) {
    const uint32_t at = (s->write_row + number) % SERNET_WINDOW_FRAMES;
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    sernet_frontend_finish(s->rows[at], s->levels[at], s->mean_level, row);
#else
    memcpy(row, s->rows[at], SERNET_FEATURE_COUNT);
#endif
}

/* Copies features of that window; the request names the first byte and the number of bytes. */
static int features(const sernet_serial *serial, const uint8_t *request, uint32_t length,
                    uint8_t **at) {
    if (length != 6) return SERNET_ERROR_SIZE;
    const uint32_t first = get(request, 4), count = get(request + 4, 2);
    const uint32_t all = SERNET_WINDOW_FRAMES * SERNET_FEATURE_COUNT;
    if (count > SERNET_SERIAL_PAYLOAD || first > all || count > all - first)
        return SERNET_ERROR_SIZE;
    int8_t row[SERNET_FEATURE_COUNT];
    for (uint32_t i = first; i < first + count; i++) {
        if (i == first || i % SERNET_FEATURE_COUNT == 0)
            finished_row(serial->state, i / SERNET_FEATURE_COUNT, row);
        *(*at)++ = (uint8_t)row[i % SERNET_FEATURE_COUNT];
    }
    return SERNET_OK;
}

#endif

static void answer(sernet_serial *serial) {
    const uint8_t *request = serial->request, *payload = request + SERNET_SERIAL_HEADER;
    const uint32_t length = get(request + 4, 2);
    uint8_t *reply = serial->reply, *start = reply + SERNET_SERIAL_HEADER, *end = start;
    int status = SERNET_OK;
    switch (request[2]) {
    case HELLO: end = hello(serial, start); break;
    case RESET: status = reset(serial); break;
    case AUDIO: status = push(serial, payload, length, &end); break;
    case POLL: status = poll(serial, &end); break;
#if !SERNET_SHARES_ROWS
    case FEATURES: status = features(serial, payload, length, &end); break;
#endif
#ifdef SERNET_DECIDE
    case DECISION: end = decision(serial, start); break;
#endif
    case TEACH: status = teach(serial, payload, length); break;
    default: status = SERNET_ERROR_STATE;
    }
    reply[0] = MARK_0;
    reply[1] = MARK_1;
    reply[2] = status < 0 ? ERROR : (uint8_t)(request[2] + ('a' - 'A'));
    reply[3] = request[3];
    if (status < 0) end = put(start, (uint32_t)status, 4);
    put(reply + 4, (uint64_t)(end - start), 2);
    end = put(end, sernet_crc32(reply + 2, (size_t)(end - reply - 2)), 4);
    serial->answered = (uint32_t)(end - reply);
}

/* Whether the request is the last one again, because its answer was lost. This does not apply to a
 * hello, which may come from another program that starts counting again. */
static int is_repeated(const sernet_serial *serial) {
    const uint8_t *request = serial->request, *reply = serial->reply;
    return serial->answered > 0 && request[2] != HELLO && request[3] == reply[3] &&
           (reply[2] == ERROR || reply[2] == request[2] + ('a' - 'A'));
}

/* Removes the first byte, and the bytes after it that cannot start a frame. */
static void skip(sernet_serial *serial) {
    uint32_t from = 1;
    while (from < serial->received && serial->request[from] != MARK_0) from++;
    serial->received -= from;
    memmove(serial->request, serial->request + from, serial->received);
}

/* Answers the frame at the start of the received bytes. Returns 0 if it is not complete. */
static int take_frame(sernet_serial *serial) {
    const uint8_t *request = serial->request;
    const uint32_t received = serial->received;
    if (received < 1) return 0;
    if (request[0] != MARK_0 || (received > 1 && request[1] != MARK_1)) {
        skip(serial);
        return 1;
    }
    if (received < SERNET_SERIAL_HEADER) return 0;
    const uint32_t length = get(request + 4, 2);
    if (length <= SERNET_SERIAL_PAYLOAD) {
        const uint32_t whole = SERNET_SERIAL_HEADER + length;
        if (received < whole + SERNET_SERIAL_CHECKSUM) return 0;
        if (sernet_crc32(request + 2, whole - 2) == get(request + whole, 4)) {
            if (!is_repeated(serial)) answer(serial);
            serial->port->write(serial->reply, serial->answered);
            serial->received = 0; /* the computer sends nothing before it has the answer */
            return 1;
        }
    }
    /* The frame is damaged; search for a frame after its first byte. */
    skip(serial);
    return 1;
}

int sernet_serial_init(sernet_serial *serial, const sernet_port *port, void *state, size_t bytes) {
    if (serial == NULL || port == NULL) return SERNET_ERROR_NULL;
    memset(serial, 0, sizeof *serial);
    serial->port = port;
    serial->state = state;
    serial->state_bytes = bytes;
    return sernet_init(state, bytes);
}

void sernet_serial_step(sernet_serial *serial) {
    serial->received += (uint32_t)serial->port->read(serial->request + serial->received,
                                                     sizeof serial->request - serial->received);
    while (take_frame(serial)) {}
}
