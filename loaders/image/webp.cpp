// WebP by libwebp, lossy and lossless; the alpha plane is not decoded. Refuses animations, for one
// frame of them is no more the image than another.
#include <memory>

#include <webp/decode.h>
#include <webp/demux.h>

#include <qe/error.h>

#include "loaders/image/codec.h"
#include "loaders/image/orientation.h"

namespace qe::image {
namespace {

const std::uint8_t* data_of(const Source& source) {
  return reinterpret_cast<const std::uint8_t*>(source.bytes.data());
}

void check(const Source& source, VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_OK:
      return;
    case VP8_STATUS_OUT_OF_MEMORY:
      throw ResourceError({.problem = "not enough memory for the WebP", .file = source.name});
    case VP8_STATUS_NOT_ENOUGH_DATA:
      refuse(source, "WebP is truncated");
    default:
      refuse(source, "WebP is corrupt", "", "status " + std::to_string(status) + " of libwebp");
  }
}

using Demuxer = std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)>;

// Also sees a file cut behind its pixels.
Demuxer open_container(const Source& source) {
  const WebPData data{data_of(source), source.bytes.size()};
  Demuxer demuxer(WebPDemux(&data), &WebPDemuxDelete);
  if (demuxer == nullptr) refuse(source, "WebP is truncated or its chunks are corrupt");
  return demuxer;
}

int orientation(const WebPDemuxer* demuxer) {
  WebPChunkIterator chunk = {};
  int result = 1;
  if (WebPDemuxGetChunk(demuxer, "EXIF", 1, &chunk) != 0) {
    result = exif_orientation(std::as_bytes(std::span(chunk.chunk.bytes, chunk.chunk.size)));
  }
  WebPDemuxReleaseChunkIterator(&chunk);
  return result;
}

}  // namespace

Decoded decode_webp(const Source& source) {
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0) {
    throw ResourceError(
        {.problem = "libwebp has another version than its header", .file = source.name});
  }
  check(source, WebPGetFeatures(data_of(source), source.bytes.size(), &config.input));
  const auto width = static_cast<std::size_t>(config.input.width);
  const auto height = static_cast<std::size_t>(config.input.height);
  check_size(source, width, height);
  if (config.input.has_animation != 0) refuse(source, "WebP is animated", "one frame");
  const Demuxer demuxer = open_container(source);
  Decoded result{.image = make_image(width, height), .orientation = orientation(demuxer.get())};
  config.output.colorspace = MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {.rgba = result.image.rgb.data(),
                          .stride = config.input.width * 3,
                          .size = result.image.rgb.size()};
  check(source, WebPDecode(data_of(source), source.bytes.size(), &config));
  return result;
}

}  // namespace qe::image
