// libpng behind an exception: its errors jump back to a frame that owns nothing.
#include "replay/map_png.h"

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <new>
#include <utility>

#include "core/check.h"
#include "image/class_colours.h"

namespace icepoint {
namespace {

class Encoder {
 public:
  Encoder() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, &Encoder::on_error, nullptr);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
    if (!info_) throw std::bad_alloc();
  }
  ~Encoder() { png_destroy_write_struct(&png_, &info_); }
  Encoder(const Encoder&) = delete;
  Encoder& operator=(const Encoder&) = delete;

  Bytes encode(const Image& map, int64_t classes) {
    static constexpr auto kColours = class_colours();
    static_assert(sizeof(png_color) == 3);
    std::vector<png_color> palette(static_cast<size_t>(classes));
    std::memcpy(palette.data(), kColours.data(), 3 * palette.size());
    require(write(map, palette), "PNG: ", error_);
    return std::move(bytes_);
  }

 private:
  bool write(const Image& map, const std::vector<png_color>& palette) {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_write_fn(png_, this, &Encoder::on_write, nullptr);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(map.width), static_cast<png_uint_32>(map.height), 8,
                 PNG_COLOR_TYPE_PALETTE, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
                 PNG_FILTER_TYPE_DEFAULT);
    png_set_PLTE(png_, info_, palette.data(), static_cast<int>(palette.size()));
    png_write_info(png_, info_);
    for (int64_t i = 0; i < map.height; ++i) png_write_row(png_, map.data.data() + i * map.width);
    png_write_end(png_, info_);
    return true;
  }

  static void on_write(png_structp png, png_bytep from, size_t n) {
    auto* self = static_cast<Encoder*>(png_get_io_ptr(png));
    bool fits = true;
    try {  // no exception may cross libpng's frames
      self->bytes_.insert(self->bytes_.end(), from, from + n);
    } catch (const std::bad_alloc&) {
      fits = false;
    }
    if (!fits) png_error(png, "not enough memory");
  }
  [[noreturn]] static void on_error(png_structp png, png_const_charp text) {
    auto* self = static_cast<Encoder*>(png_get_error_ptr(png));
    std::strncpy(self->error_, text, sizeof(self->error_) - 1);
    png_longjmp(png, 1);
  }

  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  Bytes bytes_;
  char error_[128] = "";
};

}  // namespace

Bytes encode_map(const Image& map, int64_t classes) {
  return Encoder().encode(map, classes);
}

}  // namespace icepoint
