// Images of a set, decoded and brought to a model's input by worker threads ahead of their
// consumer, in the order of the set and in bounded memory. What goes wrong with an image is
// reported in its turn.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <qe/error.h>
#include <qe/image.h>

#include "tools/support/dataset.h"
#include "tools/support/image_data.h"

namespace qe::tools {

struct ImageSample {
  std::size_t number = 0;  // as in ImageRow
  std::string name;
  std::optional<int> label;
  Image image;  // of exactly the model's input size
};

struct ImageStreamOptions {
  ImageInput input = {};
  int threads = 1;    // that decode, at least one
  int capacity = 32;  // images decoded or being decoded that were not yet taken, at least one
  OnError on_error = OnError::kFail;
  // Under kSkip: told of each image left out, by the consumer's thread.
  std::function<void(const DataError&)> on_skip = {};
};

class ImageStream {
 public:
  // Starts the threads. `source` must outlive the stream and is used by its threads alone. Throws
  // UsageError for options below one.
  ImageStream(ImageSource& source, ImageStreamOptions options);
  // Ends the threads; each finishes the image it is at.
  ~ImageStream();
  ImageStream(const ImageStream&) = delete;
  ImageStream& operator=(const ImageStream&) = delete;

  // The next image; false at the end. For one caller at a time. Throws in the image's turn what
  // reading or decoding it threw; under kSkip a DataError makes it be left out instead. After a
  // DataError the rest can still be taken, after any other error the stream has ended.
  bool next(ImageSample& sample);

  // Calls `compute`, which keeps `threads` CPUs busy. Meanwhile images are decoded on those left
  // over alone: threads of a network wait for each other at every step, so all of them lose what
  // one of them has to share. What is being decoded when it begins is decoded to its end.
  template <class Compute>
  auto beside(int threads, const Compute& compute) {
    const Restore restore{*this};
    let_decode(spare_cpus(threads));
    return compute();
  }

  std::size_t skipped() const { return skipped_; }  // images left out so far

 private:
  struct Slot {
    ImageSample sample;
    std::exception_ptr error;
    bool ready = false;
  };

  struct Restore {
    ~Restore() { stream.let_decode(stream.options_.threads); }
    ImageStream& stream;
  };

  static int spare_cpus(int busy);
  void let_decode(int threads);
  void work();
  void stop();
  bool claim(std::size_t& ticket, ImageRow& row, std::exception_ptr& error);
  Slot take();

  ImageSource& source_;
  ImageStreamOptions options_;
  std::size_t skipped_ = 0;
  bool ended_ = false;  // by an error

  std::mutex mutex_;
  std::condition_variable freed_;  // a slot, leave to decode, or the end
  std::condition_variable filled_;
  std::vector<Slot> slots_;           // a ring by ticket
  std::size_t claimed_ = 0;           // tickets given out; they number the images from 0
  std::size_t taken_ = 0;             // tickets that the consumer had
  int decoding_ = 0;                  // threads that are at an image
  int may_decode_;                    // of them, at most
  bool exhausted_ = false;            // no more tickets
  std::vector<std::thread> threads_;  // last: they use all of the above
};

}  // namespace qe::tools
