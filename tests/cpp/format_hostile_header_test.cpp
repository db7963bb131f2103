// Headers from strangers whose lengths and digest are right, and one fact is not: each is refused by its
// place.
#include <gtest/gtest.h>

#include "format_fixtures.h"

namespace icepoint::testing {
namespace {

TEST(FormatHostile, DuplicateKeysAtEveryLevel) {
  const Parts parts = split(write_model(small_model()));
  const auto with = [&](std::string_view from, std::string_view to) {
    return verdict(join({replaced(parts.header, from, to), parts.payload}));
  };
  const std::string entry = "\"fc.weight\":{\"data_offsets\":[0,4],\"dtype\":\"U8\",\"shape\":[4]},";
  EXPECT_EQ(with("\"fc.weight\":", entry + "\"fc.weight\":"), "header: the key 'fc.weight' occurs twice");
  EXPECT_EQ(with("\"fc.weight\":", replaced(entry, "fc", "\\u0066c") + "\"fc.weight\":"),
            "header: the key 'fc.weight' occurs twice");
  EXPECT_EQ(with("\"version\":\"1\"", "\"version\":\"1\",\"version\":\"1\""),
            "header: the key 'version' occurs twice");
  EXPECT_EQ(with("\"dtype\":", "\"dtype\":\"I8\",\"dtype\":"), "header: the key 'dtype' occurs twice");
  EXPECT_EQ(with("\\\"ops\\\":", "\\\"ops\\\":[],\\\"ops\\\":"), "graph: the key 'ops' occurs twice");
  EXPECT_EQ(with("\\\"groups\\\":1", "\\\"groups\\\":1,\\\"groups\\\":1"),
            "graph: the key 'groups' occurs twice");
  EXPECT_EQ(with("\\\"groups\\\":1", "\\\"groups\\\":1,\\\"gro\\\\u0075ps\\\":1"),
            "graph: the key 'groups' occurs twice");
  EXPECT_EQ(with("\\\"divide\\\":255", "\\\"divide\\\":255,\\\"divide\\\":255"),
            "recipe: the key 'divide' occurs twice");
}

TEST(FormatHostile, TensorTable) {
  const Parts parts = split(write_model(small_model()));
  const auto with = [&](std::string_view from, std::string_view to) {
    return verdict(join({replaced(parts.header, from, to), parts.payload}));
  };
  // conv.bias is the first tensor: (2), bytes 0..8.
  const std::string bias = "\"conv.bias\":{\"data_offsets\":[0,8],\"dtype\":\"I32\",\"shape\":[2]}";
  const auto as = [&](const std::string& entry) { return with(bias, "\"conv.bias\":" + entry); };
  EXPECT_EQ(as("{\"data_offsets\":[0,8],\"dtype\":\"I32\",\"shape\":[2]}"), "accepted");
  const auto shaped = [&](const std::string& shape) {
    return as("{\"data_offsets\":[0,8],\"dtype\":\"I32\",\"shape\":" + shape + "}");
  };
  EXPECT_EQ(shaped("[-2]"), "tensor 'conv.bias'.shape: (-2) is negative or has too many bytes");
  EXPECT_EQ(shaped("[8589934592,8589934592]").substr(0, 26), "tensor 'conv.bias'.shape: ");
  EXPECT_EQ(shaped("[0,9223372036854775807,2]").substr(0, 26), "tensor 'conv.bias'.shape: ");
  EXPECT_EQ(shaped("[4611686018427387904]").substr(0, 26), "tensor 'conv.bias'.shape: ");
  // 2^63 - 4 bytes: the tensor behind it has no place.
  EXPECT_EQ(shaped("[2305843009213693951]").substr(0, 32), "tensor 'conv.multiplier'.shape: ");
  EXPECT_EQ(shaped("[1,1,1,1,2]"), "tensor 'conv.bias'.shape: its rank: 5 is not in 1..4");
  EXPECT_EQ(shaped("[]"), "tensor 'conv.bias'.shape: its rank: 0 is not in 1..4");
  EXPECT_EQ(shaped("[2.0]"), "tensor 'conv.bias'.shape: found a number, expected an integer");
  EXPECT_EQ(shaped("[-0]"), "tensor 'conv.bias'.shape: found a number, expected an integer");
  EXPECT_EQ(shaped("[18446744073709551618]"),
            "tensor 'conv.bias'.shape: found a number, expected an integer");
  EXPECT_EQ(shaped("2"), "tensor 'conv.bias'.shape: found an integer, expected a list");
  EXPECT_EQ(shaped("[3]"), "tensor 'conv.bias'.data_offsets: 0..8, expected 0..12");
  EXPECT_EQ(shaped("[1]"), "tensor 'conv.bias'.data_offsets: 0..8, expected 0..4");
  EXPECT_EQ(shaped("[1,2]"), "ops[0].bias: found I32 (1, 2), expected I32 (2)");
  const auto at = [&](const std::string& offsets) {
    return as("{\"data_offsets\":" + offsets + ",\"dtype\":\"I32\",\"shape\":[2]}").substr(0, 33);
  };
  for (const char* offsets : {"[8,0]", "[4,12]", "[0,9]", "[-8,0]", "[8,16]", "[9223372036854775807,7]"})
    EXPECT_EQ(at(offsets), "tensor 'conv.bias'.data_offsets: ") << offsets;  // reversed, aliased, misaligned
  EXPECT_EQ(at("[0,8,9]"), "tensor 'conv.bias'.data_offsets: ");
  EXPECT_EQ(at("[0]"), "tensor 'conv.bias'.data_offsets: ");
  const auto typed = [&](const std::string& dtype) {
    return as("{\"data_offsets\":[0,8],\"dtype\":" + dtype + ",\"shape\":[2]}");
  };
  for (const char* dtype : {"\"I64\"", "\"i32\"", "\"\"", "\"F16\"", "\"I32 \""})
    EXPECT_EQ(typed(dtype).substr(0, 26), "tensor 'conv.bias'.dtype: ") << dtype;
  EXPECT_EQ(typed("3"), "tensor 'conv.bias'.dtype: found an integer, expected a string");
  EXPECT_EQ(typed("\"F32\""), "ops[0].bias: found F32 (2), expected I32 (2)");
  EXPECT_EQ(as("{\"data_offsets\":[0,8],\"shape\":[2]}"), "tensor 'conv.bias'.dtype: absent");
  EXPECT_EQ(as("{\"data_offsets\":[0,8],\"dtype\":\"I32\",\"file\":\"w.bin\",\"shape\":[2]}"),
            "tensor 'conv.bias': unknown key 'file'");
  EXPECT_EQ(as("[1]"), "tensor 'conv.bias': found a list, expected an object");
  EXPECT_EQ(with("\"conv.bias\":{", "\"conv.Bias\":{"), "tensor 'conv.Bias': belongs to no operator");
  EXPECT_EQ(with("\"self_check.0\":{", "\"self_check.1\":{"),
            "tensor 'self_check.1': belongs to no operator");
  EXPECT_EQ(with("\"conv.bias\":{", "\"conv.bia\\u001b\":{").substr(0, 8), "header: ");
}

TEST(FormatHostile, GraphText) {
  const Parts parts = split(write_model(small_model()));
  const auto with = [&](std::string_view from, std::string_view to) {
    return verdict(join({replaced(parts.header, from, to), parts.payload}));
  };
  EXPECT_EQ(with("\\\"inputs\\\":[0]", "\\\"inputs\\\":[-1]"), "ops[0].inputs: -1 is not in 0..0");
  EXPECT_EQ(with("\\\"inputs\\\":[0]", "\\\"inputs\\\":[1]"), "ops[0].inputs: 1 is not in 0..0");
  EXPECT_EQ(with("\\\"inputs\\\":[0]", "\\\"inputs\\\":[2147483648]"),
            "ops[0].inputs: 2147483648 is not in 0..0");
  EXPECT_EQ(with("\\\"inputs\\\":[0]", "\\\"inputs\\\":[0,0]"), "ops[0].inputs: 2 values, qconv2d takes 1");
  EXPECT_EQ(with("\\\"inputs\\\":[0]", "\\\"inputs\\\":0"),
            "ops[0].inputs: found an integer, expected a list");
  EXPECT_EQ(with("\\\"op\\\":\\\"clamp\\\"", "\\\"op\\\":\\\"qconv3d\\\""),
            "ops[1].op: 'qconv3d' is unknown");
  EXPECT_EQ(with("\\\"op\\\":\\\"clamp\\\"", "\\\"op\\\":7"),
            "ops[1].op: found an integer, expected a string");
  EXPECT_EQ(with(",\\\"groups\\\":1", ""), "ops[0].groups: absent");
  EXPECT_EQ(with("\\\"groups\\\":1", "\\\"__class__\\\":1,\\\"groups\\\":1"),
            "ops[0]: unknown key '__class__'");
  EXPECT_EQ(with("\\\"groups\\\":1", "\\\"groups\\\":null"),
            "ops[0].groups: found null, expected an integer");
  EXPECT_EQ(with("\\\"groups\\\":1", "\\\"groups\\\":0"), "ops[0].groups: 0 is not in 1..1");
  EXPECT_EQ(with("\\\"groups\\\":1", "\\\"groups\\\":1.0"),
            "ops[0].groups: found a number, expected an integer");
  EXPECT_EQ(with("\\\"stride\\\":[1,1]", "\\\"stride\\\":[1]"), "ops[0].stride: 1 numbers, expected 2");
  EXPECT_EQ(with("\\\"stride\\\":[1,1]", "\\\"stride\\\":[1,65536]"),
            "ops[0].stride: 65536 is not in 1..65535");
  EXPECT_EQ(with("\\\"weight_affine\\\":false", "\\\"weight_affine\\\":0"),
            "ops[0].weight_affine: found an integer, expected true or false");
  EXPECT_EQ(with("\\\"weight_bits\\\":5", "\\\"weight_bits\\\":4"),
            "ops[0].weight: found U8 (2, 6), expected U8 (2, 5)");
  EXPECT_EQ(with("\\\"zero_point\\\":128", "\\\"zero_point\\\":4294967296"),
            "inputs[0].zero_point: 4294967296 is not in 0..255");
  EXPECT_EQ(with("\\\"bits\\\":8", "\\\"bits\\\":4294967304"), "inputs[0].bits: 4294967304 is not in 2..8");
  EXPECT_EQ(with("\\\"scale\\\":0.0078125", "\\\"scale\\\":0"), "inputs[0].scale: 0 is not in 2^-100..2^100");
  EXPECT_EQ(with("\\\"scale\\\":0.0078125", "\\\"scale\\\":0.1"),
            "inputs[0].scale: '0.1' is not exactly a float32");
  EXPECT_EQ(with("\\\"scale\\\":0.0078125", "\\\"scale\\\":7.8125e-3"),
            "graph: is not in the canonical spelling");
  EXPECT_EQ(with("\\\"scale\\\":0.0078125", "\\\"scale\\\":\\\"0.0078125\\\""),
            "inputs[0].scale: found a string, expected a number");
  EXPECT_EQ(with("\\\"arithmetic\\\":1,", "\\\"arithmetic\\\":1, "),
            "graph: is not in the canonical spelling");
  EXPECT_EQ(with("\\\"name\\\":\\\"conv\\\"", "\\\"name\\\":\\\"c\\\\u001b[2J\\\""),
            "ops[0].name: 'c\\x1b[2J' is not UTF-8 without control characters");
  EXPECT_EQ(with("\\\"name\\\":\\\"relu\\\"", "\\\"name\\\":\\\"conv\\\""), "ops[1].name: 'conv' is taken");
  EXPECT_EQ(with("\\\"outputs\\\":[4]", "\\\"outputs\\\":[5]"), "outputs[0]: 5 is not in 1..4");
  EXPECT_EQ(with("\\\"outputs\\\":[4]", "\\\"outputs\\\":[]"),
            "outputs: their number: 0 is not in 1..100000");
  EXPECT_EQ(with("\\\"shape\\\":[8]", "\\\"shape\\\":[2,2,2,1]"), "ops[2].shape: rank 4 is not in 1..3");
  EXPECT_EQ(with("\\\"outputs\\\":[4]}", "\\\"outputs\\\":[4],\\\"plans\\\":[]}"),
            "graph: unknown key 'plans'");
}

TEST(FormatHostile, FactsBesideTheGraph) {
  const Parts parts = split(write_model(small_model()));
  const auto with = [&](std::string_view from, std::string_view to) {
    return verdict(join({replaced(parts.header, from, to), parts.payload}));
  };
  EXPECT_EQ(with("\"overflow_proof\":\"{\\\"conv\\\":[-", "\"overflow_proof\":\"{\\\"conv\\\":[-1"),
            "overflow_proof: is not what the weights prove");
  EXPECT_EQ(with("\\\"divide\\\":255", "\\\"divide\\\":0"), "recipe.divide: 0 is not 1 or 255");
  EXPECT_EQ(with("\\\"divide\\\":255", "\\\"divide\\\":255,\\\"gamma\\\":2"), "recipe: unknown key 'gamma'");
  EXPECT_EQ(with("\\\"std\\\":[0.25]", "\\\"std\\\":[0]"), "recipe.std: 0 is not finite and above 0");
  EXPECT_EQ(with("\\\"std\\\":[0.25]", "\\\"std\\\":[]"), "recipe.std: their number: 0 is not in 1..3");
}

}  // namespace
}  // namespace icepoint::testing
