// The two kinds of labelled data.
#include "replay/dataset.h"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/check.h"
#include "replay/idx.h"
#include "replay/images.h"
#include "replay/samples.h"

namespace icepoint {
namespace {

namespace fs = std::filesystem;

class IdxPair : public Dataset {
 public:
  IdxPair(Samples samples, Tensor labels) : samples_(std::move(samples)), labels_(std::move(labels)) {}
  int64_t size() const override { return samples_.n; }
  void codes(int64_t begin, int64_t n, uint8_t* to) const override {
    if (n == 0) return;
    const size_t each = samples_.codes.size() / static_cast<size_t>(samples_.n);
    std::memcpy(to, &samples_.codes[static_cast<size_t>(begin) * each], static_cast<size_t>(n) * each);
  }
  int64_t label(int64_t i) const override { return labels_.as<uint8_t>()[static_cast<size_t>(i)]; }

 private:
  Samples samples_;
  Tensor labels_;
};

struct Picture {
  std::string path;
  int64_t label;
};

class ClassFolders : public Dataset {
 public:
  ClassFolders(std::vector<Picture> pictures, const Session& session)
      : pictures_(std::move(pictures)), session_(session) {}
  int64_t size() const override { return std::ssize(pictures_); }
  void codes(int64_t begin, int64_t n, uint8_t* to) const override {
    for (int64_t i = begin; i < begin + n; ++i) {
      const std::string& path = pictures_[static_cast<size_t>(i)].path;
      Image image = read_image(path);
      try {
        session_.pictures().codes(std::move(image), to);
      } catch (const std::invalid_argument& e) {
        fail(path, ": ", e.what());
      }
      to += session_.pictures().count();
    }
  }
  int64_t label(int64_t i) const override { return pictures_[static_cast<size_t>(i)].label; }

 private:
  std::vector<Picture> pictures_;
  const Session& session_;
};

/// Entries of a folder in the order of their names' bytes, without hidden ones.
std::vector<fs::path> sorted_entries(const fs::path& folder) {
  std::vector<fs::path> entries;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (!entry.path().filename().native().starts_with('.')) entries.push_back(entry.path());
  std::sort(entries.begin(), entries.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return entries;
}

bool is_picture(const fs::path& path) {
  std::string extension = path.extension().native();
  for (char& c : extension) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return extension == ".png" || extension == ".jpg" || extension == ".jpeg";
}

int64_t label_of(const fs::path& folder, int64_t position, const Session& session) {
  const auto& names = session.recipe().classes;
  if (names.empty()) return position;
  const auto found = std::find(names.begin(), names.end(), folder.filename().native());
  require(found != names.end(), folder.native(), ": the model has no class of this name");
  return found - names.begin();
}

}  // namespace

std::unique_ptr<const Dataset> open_idx_pair(const std::string& images, const std::string& labels,
                                             const Session& session) {
  Tensor truth = read_idx(labels);
  require(truth.shape.size() == 1, labels, ": labels of shape ", to_string(truth.shape), ", expected (n)");
  const Tensor pixels = read_idx(images);
  Samples samples;
  try {
    samples = pixel_samples(pixels, false, session);
  } catch (const std::invalid_argument& e) {
    fail(images, ": ", e.what());
  }
  require(samples.n == truth.shape[0], images, " holds ", samples.n, " images, ", labels, " ", truth.shape[0],
          " labels");
  return std::make_unique<IdxPair>(std::move(samples), std::move(truth));
}

std::unique_ptr<const Dataset> open_class_folders(const std::string& folder, const Session& session) {
  session.pictures();  // says at once that a model without recipe takes no pictures
  std::vector<Picture> pictures;
  int64_t position = 0;
  for (const fs::path& entry : sorted_entries(folder)) {
    require(fs::is_directory(entry), entry.native(), ": not a folder; expected FOLDER/<class>/<picture>");
    const int64_t label = label_of(entry, position++, session);
    for (const fs::path& picture : sorted_entries(entry)) {
      require(is_picture(picture), picture.native(), ": not a .png, .jpg or .jpeg file");
      pictures.push_back({picture.native(), label});
    }
  }
  return std::make_unique<ClassFolders>(std::move(pictures), session);
}

}  // namespace icepoint
