// Compression of record blocks by the four libraries. Every inflater stops at a byte limit before
// it has produced more, so that a bomb costs no more than an honest batch.
#include <lz4frame.h>
#include <snappy.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <memory>

#include "metrics/big_endian.h"
#include "metrics/check.h"
#include "storage/batch.h"

namespace headrace::storage {
namespace {

constexpr int kGzipWindow = 15 + 16;   // 32 KiB window; +16: gzip framing
constexpr int kZstdWindowLogMax = 25;  // 32 MiB: a frame that wants more memory is refused
constexpr int kZstdLevel = 3;

// The Java client's snappy framing: magic, version, lowest version, then length-prefixed blocks.
constexpr std::string_view kXerialMagic("\x82SNAPPY\0", 8);
constexpr size_t kXerialHeaderSize = 16;

const char* text(std::span<const std::byte> bytes) {
  return reinterpret_cast<const char*>(bytes.data());
}

// Makes room for more output up to the limit; false when the limit is reached.
bool grow(std::string* out, size_t used, size_t compressed, size_t max_bytes) {
  if (used < out->size()) return true;
  if (used >= max_bytes) return false;
  out->resize(std::min(max_bytes, std::max({size_t{4096}, compressed * 4, used * 2})));
  return true;
}

void compress_gzip(std::span<const std::byte> from, std::string* out) {
  z_stream stream{};
  HR_CHECK(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, kGzipWindow, 8,
                        Z_DEFAULT_STRATEGY) == Z_OK);
  const size_t start = out->size();
  out->resize(start + deflateBound(&stream, from.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
  stream.avail_in = static_cast<uInt>(from.size());
  stream.next_out = reinterpret_cast<Bytef*>(out->data() + start);
  stream.avail_out = static_cast<uInt>(out->size() - start);
  HR_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out->resize(start + stream.total_out);
  deflateEnd(&stream);
}

BatchError inflate_gzip(std::span<const std::byte> from, size_t max_bytes, std::string* out) {
  z_stream stream{};
  HR_CHECK(inflateInit2(&stream, kGzipWindow) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(from.data()));
  stream.avail_in = static_cast<uInt>(from.size());
  size_t used = 0;
  while (true) {
    // One spare byte at the limit tells "exactly full" from "too large".
    if (!grow(out, used, from.size(), max_bytes + 1)) return BatchError::inflate_too_large;
    stream.next_out = reinterpret_cast<Bytef*>(out->data() + used);
    stream.avail_out = static_cast<uInt>(out->size() - used);
    const int result = ::inflate(&stream, Z_NO_FLUSH);
    used = out->size() - stream.avail_out;
    if (used > max_bytes) return BatchError::inflate_too_large;
    if (result == Z_STREAM_END) break;
    if (result != Z_OK) return BatchError::inflate_failed;  // Z_BUF_ERROR: input ended early
  }
  if (stream.avail_in != 0) return BatchError::inflate_failed;
  out->resize(used);
  return BatchError::ok;
}

// Appends one raw snappy block; the length it states is checked before it is believed.
BatchError inflate_snappy_block(const char* block, size_t size, size_t max_bytes,
                                std::string* out) {
  size_t length = 0;
  if (!snappy::GetUncompressedLength(block, size, &length)) return BatchError::inflate_failed;
  const size_t start = out->size();
  if (length > max_bytes - start) return BatchError::inflate_too_large;
  // Snappy copies at most 64 bytes per 2 input bytes: more is a lie that must not be allocated.
  if (length / 64 > size) return BatchError::inflate_failed;
  out->resize(start + length);
  if (!snappy::RawUncompress(block, size, out->data() + start)) return BatchError::inflate_failed;
  return BatchError::ok;
}

BatchError inflate_snappy(std::span<const std::byte> from, size_t max_bytes, std::string* out) {
  const std::string_view input(text(from), from.size());
  out->clear();
  if (!input.starts_with(kXerialMagic)) {
    return inflate_snappy_block(input.data(), input.size(), max_bytes, out);
  }
  if (from.size() < kXerialHeaderSize) return BatchError::inflate_failed;
  size_t at = kXerialHeaderSize;
  while (at < from.size()) {
    if (from.size() - at < 4) return BatchError::inflate_failed;
    const size_t size = load_be<uint32_t>(from.data() + at);
    at += 4;
    if (size > from.size() - at) return BatchError::inflate_failed;
    const BatchError error = inflate_snappy_block(input.data() + at, size, max_bytes, out);
    if (error != BatchError::ok) return error;
    at += size;
  }
  return BatchError::ok;
}

void compress_lz4(std::span<const std::byte> from, std::string* out) {
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;  // what Kafka's own reader understands
  preferences.frameInfo.contentSize = 0;
  const size_t start = out->size();
  out->resize(start + LZ4F_compressFrameBound(from.size(), &preferences));
  const size_t written = LZ4F_compressFrame(out->data() + start, out->size() - start, from.data(),
                                            from.size(), &preferences);
  HR_CHECK(!LZ4F_isError(written));
  out->resize(start + written);
}

BatchError inflate_lz4(std::span<const std::byte> from, size_t max_bytes, std::string* out) {
  LZ4F_dctx* raw = nullptr;
  HR_CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&raw, LZ4F_VERSION)));
  const std::unique_ptr<LZ4F_dctx, size_t (*)(LZ4F_dctx*)> context(raw,
                                                                   LZ4F_freeDecompressionContext);
  size_t consumed = 0;
  size_t used = 0;
  size_t wanted = 1;  // 0 once the frame is complete
  while (wanted != 0) {
    if (!grow(out, used, from.size(), max_bytes + 1)) return BatchError::inflate_too_large;
    size_t output = out->size() - used;
    size_t input = from.size() - consumed;
    wanted = LZ4F_decompress(context.get(), out->data() + used, &output, from.data() + consumed,
                             &input, nullptr);
    if (LZ4F_isError(wanted)) return BatchError::inflate_failed;
    consumed += input;
    used += output;
    if (used > max_bytes) return BatchError::inflate_too_large;
    if (wanted != 0 && input == 0 && output == 0) return BatchError::inflate_failed;  // cut short
  }
  if (consumed != from.size()) return BatchError::inflate_failed;
  out->resize(used);
  return BatchError::ok;
}

void compress_zstd(std::span<const std::byte> from, std::string* out) {
  const size_t start = out->size();
  out->resize(start + ZSTD_compressBound(from.size()));
  const size_t written =
      ZSTD_compress(out->data() + start, out->size() - start, from.data(), from.size(), kZstdLevel);
  HR_CHECK(!ZSTD_isError(written));
  out->resize(start + written);
}

BatchError inflate_zstd(std::span<const std::byte> from, size_t max_bytes, std::string* out) {
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   ZSTD_freeDCtx);
  HR_CHECK(context != nullptr);
  ZSTD_DCtx_setParameter(context.get(), ZSTD_d_windowLogMax, kZstdWindowLogMax);
  ZSTD_inBuffer input{from.data(), from.size(), 0};
  size_t used = 0;
  size_t wanted = 1;  // 0 at the end of a frame; several frames may follow each other
  while (wanted != 0 || input.pos < input.size) {
    if (!grow(out, used, from.size(), max_bytes + 1)) return BatchError::inflate_too_large;
    ZSTD_outBuffer output{out->data(), out->size(), used};
    const size_t before = input.pos;
    wanted = ZSTD_decompressStream(context.get(), &output, &input);
    if (ZSTD_isError(wanted)) return BatchError::inflate_failed;
    const bool stuck = output.pos == used && input.pos == before;
    used = output.pos;
    if (used > max_bytes) return BatchError::inflate_too_large;
    if (wanted != 0 && stuck) return BatchError::inflate_failed;  // cut short
  }
  out->resize(used);
  return BatchError::ok;
}

}  // namespace

void compress(Codec codec, std::span<const std::byte> from, std::string* out) {
  HR_CHECK(from.size() <= INT32_MAX);
  switch (codec) {
    case Codec::none:
      out->append(text(from), from.size());
      return;
    case Codec::gzip:
      return compress_gzip(from, out);
    case Codec::snappy: {
      const size_t start = out->size();
      out->resize(start + snappy::MaxCompressedLength(from.size()));
      size_t written = 0;
      snappy::RawCompress(text(from), from.size(), out->data() + start, &written);
      out->resize(start + written);
      return;
    }
    case Codec::lz4:
      return compress_lz4(from, out);
    case Codec::zstd:
      return compress_zstd(from, out);
  }
  HR_UNREACHABLE("codec");
}

BatchError inflate(Codec codec, std::span<const std::byte> from, size_t max_bytes,
                   std::string* out) {
  if (from.size() > INT32_MAX) return BatchError::inflate_too_large;
  max_bytes = std::min<size_t>(max_bytes, INT32_MAX);
  out->resize(std::min(out->size(), max_bytes));  // may come in with the last batch in it
  switch (codec) {
    case Codec::none: {
      if (from.size() > max_bytes) return BatchError::inflate_too_large;
      out->assign(text(from), from.size());
      return BatchError::ok;
    }
    case Codec::gzip:
      return inflate_gzip(from, max_bytes, out);
    case Codec::snappy:
      return inflate_snappy(from, max_bytes, out);
    case Codec::lz4:
      return inflate_lz4(from, max_bytes, out);
    case Codec::zstd:
      return inflate_zstd(from, max_bytes, out);
  }
  return BatchError::bad_codec;
}

}  // namespace headrace::storage
