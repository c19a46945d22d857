/* Measures the network in TensorFlow Lite Micro on a board: counts the instructions of one window,
 * checks the scores, and prints the used arena and stack. */
#include <cstring>

extern "C" {
#include "measure.h"
#include "sernet_selftest.h"
}
#include "sernet_model.h"
#include "sernet_tflm_ops.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#ifdef SERNET_TFLM_VARIABLES
#include "tensorflow/lite/micro/micro_allocator.h"
#include "tensorflow/lite/micro/micro_resource_variable.h"
#endif
#include "tensorflow/lite/schema/schema_generated.h"

extern "C" const sernet_golden sernet_model_golden;

/* The golden window refers to this function; `main` does its work here. */
extern "C" int32_t sernet_replay_windows(const sernet_golden *, void *, size_t) {
    return SERNET_ERROR_STATE;
}

alignas(16) static uint8_t arena[SERNET_TFLM_ARENA_BYTES];

int main() {
    const sernet_golden *golden = &sernet_model_golden;
    sernet_tflm_ops ops;
    if (sernet_register_ops(ops) != kTfLiteOk) return 2;
    const tflite::Model *model = tflite::GetModel(sernet_flatbuffer);
#ifdef SERNET_TFLM_VARIABLES
    tflite::MicroAllocator *allocator = tflite::MicroAllocator::Create(arena, sizeof arena);
    tflite::MicroInterpreter interpreter(
        model, ops, allocator,
        tflite::MicroResourceVariables::Create(allocator, SERNET_TFLM_VARIABLES));
#else
    tflite::MicroInterpreter interpreter(model, ops, arena, sizeof arena);
#endif
    if (interpreter.AllocateTensors() != kTfLiteOk) return 3;
    std::memcpy(interpreter.input(0)->data.int8, golden->inputs, golden->rows * golden->row_bytes);
    BOARD_COUNT_START();
    const TfLiteStatus status = interpreter.Invoke();
    BOARD_COUNT_STOP();
    if (status != kTfLiteOk) return 4;
    uint32_t differing = 0;
    for (uint32_t i = 0; i < golden->output_bytes; i++)
        differing += interpreter.output(0)->data.int8[i] != golden->outputs[i];
    print_number("stack ", board_stack_used());
    print_number("arena ", static_cast<uint32_t>(interpreter.arena_used_bytes()));
    print_number("reserved ", sizeof arena);
    print_number("differing ", differing);
    return differing != 0;
}
