// Workers take rows under the lock, in order, each with a ticket that names its slot of the ring;
// decoding runs unlocked, and the consumer waits for the slot of the next ticket.
#include "tools/support/image_stream.h"

#include <algorithm>
#include <limits>
#include <system_error>
#include <utility>

#include <qe/machine.h>

namespace qe::tools {
namespace {

void require_positive(const char* name, int value) {
  if (value >= 1) return;
  throw UsageError({.problem = "must be positive",
                    .name = name,
                    .expected = "at least 1",
                    .actual = std::to_string(value)});
}

bool is_data_error(const std::exception_ptr& error) {
  try {
    std::rethrow_exception(error);
  } catch (const DataError&) {
    return true;
  } catch (...) {
    return false;
  }
}

// The image of `row`; what preprocessing has against it names the row.
Image prepared(const ImageRow& row, const ImageInput& input) {
  Image image = row.decode();
  try {
    return preprocess(std::move(image), input);
  } catch (const DataError& error) {
    ErrorDetail detail = error.detail();
    detail.file = row.name;
    throw DataError(std::move(detail));
  }
}

}  // namespace

ImageStream::ImageStream(ImageSource& source, ImageStreamOptions options)
    : source_(source), options_(std::move(options)), may_decode_(options_.threads) {
  require_positive("threads", options_.threads);
  require_positive("capacity", options_.capacity);
  slots_.resize(static_cast<std::size_t>(options_.capacity));
  threads_.reserve(static_cast<std::size_t>(options_.threads));
  try {
    for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this] { work(); });
  } catch (const std::system_error& error) {
    stop();
    throw ResourceError(
        {.problem = "cannot start a thread to decode images", .actual = error.code().message()});
  }
}

ImageStream::~ImageStream() { stop(); }

void ImageStream::stop() {
  {
    const std::lock_guard lock(mutex_);
    exhausted_ = true;
  }
  freed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

int ImageStream::spare_cpus(int busy) {
  const std::vector<int> cpus = usable_cpus();
  if (cpus.empty()) return std::numeric_limits<int>::max();
  return std::max(static_cast<int>(cpus.size()) - busy, 0);
}

void ImageStream::let_decode(int threads) {
  {
    const std::lock_guard lock(mutex_);
    may_decode_ = threads;
  }
  freed_.notify_all();
}

// Waits for a free slot and leave to decode, and takes the next row. False if there are no more.
bool ImageStream::claim(std::size_t& ticket, ImageRow& row, std::exception_ptr& error) {
  std::unique_lock lock(mutex_);
  freed_.wait(lock, [this] {
    return exhausted_ || (decoding_ < may_decode_ && claimed_ - taken_ < slots_.size());
  });
  if (exhausted_) return false;
  error = nullptr;
  try {
    exhausted_ = !source_.next(row);
  } catch (...) {
    error = std::current_exception();
    exhausted_ = !is_data_error(error);
  }
  if (exhausted_) {
    freed_.notify_all();
    filled_.notify_all();
  }
  if (exhausted_ && !error) return false;
  ticket = claimed_++;
  ++decoding_;
  return true;
}

void ImageStream::work() {
  std::size_t ticket = 0;
  ImageRow row;
  std::exception_ptr error;
  while (claim(ticket, row, error)) {
    Slot slot;
    if (!error) {
      try {
        slot.sample = {row.number, row.name, row.label, prepared(row, options_.input)};
      } catch (...) {
        error = std::current_exception();
      }
    }
    slot.error = std::exchange(error, nullptr);
    slot.ready = true;
    {
      const std::lock_guard lock(mutex_);
      slots_[ticket % slots_.size()] = std::move(slot);
      --decoding_;
    }
    filled_.notify_all();
  }
}

// The next slot in order; one that is not ready means the end.
ImageStream::Slot ImageStream::take() {
  std::unique_lock lock(mutex_);
  Slot& next = slots_[taken_ % slots_.size()];
  filled_.wait(lock, [&] { return next.ready || (exhausted_ && taken_ == claimed_); });
  if (!next.ready) return {};
  ++taken_;
  Slot slot = std::exchange(next, {});
  lock.unlock();
  freed_.notify_one();
  return slot;
}

bool ImageStream::next(ImageSample& sample) {
  for (Slot slot; !ended_ && (slot = take()).ready;) {
    if (!slot.error) {
      sample = std::move(slot.sample);
      return true;
    }
    try {
      std::rethrow_exception(slot.error);
    } catch (const DataError& error) {
      if (options_.on_error == OnError::kFail) throw;
      ++skipped_;
      if (options_.on_skip) options_.on_skip(error);
    } catch (...) {
      stop();
      ended_ = true;
      throw;
    }
  }
  return false;
}

}  // namespace qe::tools
