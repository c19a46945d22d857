#include "sernet_selftest.h"
#include "sernet_stream.h"

int32_t sernet_replay_stream(const sernet_golden *golden, void *state, size_t bytes) {
    const int8_t *row = golden->inputs, *expected = golden->outputs;
    int status = sernet_stream_reset(golden->stream, state, bytes);
    int32_t differing = 0;
    uint32_t wanted = golden->rows; /* until a window is complete */
    for (uint32_t window = 0; window < golden->windows; window++, wanted = golden->hop_rows) {
        for (; wanted > 0 && status >= 0; wanted--, row += golden->row_bytes)
            status = sernet_stream_push(golden->stream, state, row);
        if (status < 0) return status;
        const int8_t *output = sernet_stream_output(golden->stream, state);
        for (uint32_t i = 0; i < golden->output_bytes; i++) differing += output[i] != *expected++;
    }
    return differing;
}
