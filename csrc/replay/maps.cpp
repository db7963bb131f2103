// Which file a map goes to.
#include "replay/maps.h"

#include <filesystem>
#include <set>
#include <utility>

#include "core/check.h"
#include "format/writer.h"
#include "replay/map_png.h"
#include "runtime/class_map.h"

namespace icepoint {

namespace fs = std::filesystem;

MapWriter::MapWriter(std::string out, const std::vector<std::string>& inputs, const Session& session)
    : out_(std::move(out)), inputs_(inputs.size()), session_(session) {
  if (out_.empty()) return;
  require_class_map(session.file(), "--map");
  std::set<std::string> stems;
  for (const std::string& input : inputs)
    require(stems.insert(fs::path(input).stem().native()).second, "--map: two inputs would be written to ",
            (fs::path(out_) / fs::path(input).stem()).native(), ".png");
}

std::string MapWriter::write(const std::string& input, int64_t i, int64_t n, const float* reals) const {
  fs::path path = out_;
  if (inputs_ > 1 || n > 1 || fs::is_directory(path)) {
    require(!fs::exists(path) || fs::is_directory(path), "--map: ", out_,
            " is a file; the maps of several pictures need a folder");
    fs::create_directories(path);
    path /=
        fs::path(input).stem().native() + (n > 1 ? std::string("-").append(std::to_string(i)) : "") + ".png";
  }
  const ModelFile& file = session_.file();
  save_atomically(path.native(), encode_map(class_map(file, reals), session_.output(0).shape[0]));
  return path.native();
}

}  // namespace icepoint
