#include "speech/detect/weights.h"

// Files as bytes of the read-only data, between two symbols each.
#define WRING_CARRY(name, file)                                                                \
  __asm__(                                                                                     \
      ".section .rodata\n.balign 64\n"                                                         \
      ".global wring_" name "_begin\nwring_" name "_begin:\n.incbin \"" WRING_WEIGHTS "/" file \
      "\"\n.global wring_" name "_end\nwring_" name "_end:\n.byte 0\n.previous\n")

WRING_CARRY("vad", "vad.safetensors");
WRING_CARRY("embedding", "embedding.safetensors");

extern "C" {
extern const std::byte wring_vad_begin[], wring_vad_end[];
extern const std::byte wring_embedding_begin[], wring_embedding_end[];
}

namespace wring::speech {

std::span<const std::byte> BuiltInVad() { return {wring_vad_begin, wring_vad_end}; }
std::span<const std::byte> BuiltInEmbedding() {
  return {wring_embedding_begin, wring_embedding_end};
}

}  // namespace wring::speech
