// Reference-counted memory blocks: what sockets receive into, the tail keeps, the store writes from
// and replies are sent from, without a copy. The count is atomic, so a block may be released by any
// thread; its bytes are written only by the one owner it has before it is shared.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>
#include <utility>

#include "metrics/check.h"

namespace headrace {

// A heap block with its header in front. Made by SharedBytes::allocate only.
struct Block {
  std::atomic<uint32_t> references{1};
  uint32_t capacity = 0;

  std::byte* data() { return reinterpret_cast<std::byte*>(this + 1); }
};

// A view into a block that keeps it alive. Copying costs one atomic increment.
class SharedBytes {
 public:
  SharedBytes() = default;
  SharedBytes(const SharedBytes& other)
      : block_(other.block_), data_(other.data_), size_(other.size_) {
    if (block_ != nullptr) block_->references.fetch_add(1, std::memory_order_relaxed);
  }
  SharedBytes(SharedBytes&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(block_, other.block_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~SharedBytes() { release(); }

  // A block of `size` uninitialised bytes; aborts when memory is out (a broker that cannot allocate
  // 16 MiB is beyond rescue, and budgets bound what is asked for).
  static SharedBytes allocate(size_t size) {
    void* memory = std::malloc(sizeof(Block) + size);
    HR_CHECK(memory != nullptr && size <= UINT32_MAX);
    auto* block = new (memory) Block;
    block->capacity = static_cast<uint32_t>(size);
    SharedBytes bytes;
    bytes.block_ = block;
    bytes.data_ = block->data();
    bytes.size_ = static_cast<uint32_t>(size);
    return bytes;
  }
  static SharedBytes copy_of(std::span<const std::byte> from) {
    SharedBytes bytes = allocate(from.size());
    if (!from.empty()) std::memcpy(bytes.data_, from.data(), from.size());
    return bytes;
  }
  static SharedBytes copy_of(std::string_view from) {
    return copy_of(std::as_bytes(std::span(from.data(), from.size())));
  }

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  explicit operator bool() const { return block_ != nullptr; }
  std::span<const std::byte> span() const { return {data_, size_}; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }

  // Writable only while nobody else holds the block.
  std::byte* mutable_data() {
    HR_CHECK(block_ != nullptr && block_->references.load(std::memory_order_acquire) == 1);
    return data_;
  }

  SharedBytes slice(size_t offset, size_t size) const {
    HR_CHECK(offset + size <= size_);
    SharedBytes part = *this;
    part.data_ += offset;
    part.size_ = static_cast<uint32_t>(size);
    return part;
  }

 private:
  void release() {
    if (block_ != nullptr && block_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      block_->~Block();
      std::free(block_);
    }
    block_ = nullptr;
  }

  Block* block_ = nullptr;
  std::byte* data_ = nullptr;
  uint32_t size_ = 0;
};

}  // namespace headrace
