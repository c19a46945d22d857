/* Prints the emotions that a PDM microphone hears. */
#include <zephyr/audio/dmic.h>
#include <zephyr/kernel.h>

#include "sernet.h"

#define BLOCK_SAMPLES 1024
#define BLOCK_BYTES (BLOCK_SAMPLES * sizeof(int16_t))
#define BLOCKS 8 /* half a second */

K_MEM_SLAB_DEFINE_STATIC(blocks, BLOCK_BYTES, BLOCKS, 4);
SERNET_STATE(state);

static void report(void) {
    sernet_result result;
    while (sernet_poll(state, &result) == 1)
        printk("%s %d %%\n", sernet_labels[result.label],
               (int)(100.0f * result.scores[result.label]));
}

static void take(const int16_t *pcm, size_t count) {
    while (count > 0) {
        const int32_t taken = sernet_push(state, pcm, count);
        if (taken < 0) {
            printk("sernet_push: %d\n", (int)taken);
            return;
        }
        pcm += taken;
        count -= (size_t)taken;
        if (count > 0) report(); /* a due result must be polled for before there is room */
    }
}

int main(void) {
    const struct device *microphone = DEVICE_DT_GET(DT_NODELABEL(dmic_dev));
    struct pcm_stream_cfg stream = {.pcm_rate = SERNET_SAMPLE_RATE_HZ,
                                    .pcm_width = 16,
                                    .block_size = BLOCK_BYTES,
                                    .mem_slab = &blocks};
    struct dmic_cfg config = {.io = {.min_pdm_clk_freq = 1000000,
                                     .max_pdm_clk_freq = 3500000,
                                     .min_pdm_clk_dc = 40,
                                     .max_pdm_clk_dc = 60},
                              .streams = &stream,
                              .channel = {.req_num_streams = 1, .req_num_chan = 1}};
    config.channel.req_chan_map_lo = dmic_build_channel_map(0, 0, PDM_CHAN_LEFT);
    int status = sernet_init(state, sizeof state);
    if (status == 0) status = dmic_configure(microphone, &config);
    if (status == 0) status = dmic_trigger(microphone, DMIC_TRIGGER_START);
    if (status < 0) {
        printk("cannot start: %d\n", status);
        return status;
    }
    for (int more = 0;;) {
        void *block;
        uint32_t bytes;
        /* Wait for audio only if the network has no work. */
        if (dmic_read(microphone, 0, &block, &bytes, more ? 0 : 1000) == 0) {
            take(block, bytes / sizeof(int16_t));
            k_mem_slab_free(&blocks, block);
        }
        more = sernet_work(state) == 1;
        if (!more) report();
    }
}
