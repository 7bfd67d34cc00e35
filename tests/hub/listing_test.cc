#include "hub/listing.h"

#include <gtest/gtest.h>

#include "hub/digest.h"
#include "hub/model_table.h"

namespace wring::hub {
namespace {

Listing Of(std::initializer_list<const char*> names) {
  Listing listing;
  for (const char* name : names) listing.files.push_back({name, 1, "", ""});
  return listing;
}

std::vector<std::string> Chosen(const Listing& listing,
                                const std::vector<std::string>& patterns = {}) {
  std::vector<std::string> names;
  const auto files = Select(listing, patterns, "o/m");
  if (!files.ok()) return {files.status().message()};
  for (const auto& file : *files) names.push_back(file.name);
  return names;
}

using Names = std::vector<std::string>;

TEST(Listing, SizesAndHashes) {
  const std::string sha256(64, 'A'), blob(40, 'b'), commit(40, 'c');
  const auto listing = ParseListing(fmt::format(R"({{"sha": "{}", "siblings": [
        {{"rfilename": "a", "size": 3, "blobId": "{}"}},
        {{"rfilename": "b", "size": 134, "blobId": "{}", "lfs": {{"sha256": "{}", "size": 7}}}},
        {{"rfilename": "c", "lfs": {{"oid": "sha256:{}", "size": 8}}}},
        {{"rfilename": "d", "size": -1, "blobId": "zz", "lfs": null}}]}})",
                                                commit, blob, blob, sha256, sha256),
                                    "the list");
  ASSERT_TRUE(listing.ok()) << listing.status().message();
  EXPECT_EQ(listing->commit, commit);
  const auto& files = listing->files;
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(files[0].size, 3u);
  EXPECT_EQ(files[0].Hash(), blob);
  EXPECT_EQ(files[1].size, 7u);
  EXPECT_EQ(files[1].Hash(), std::string(64, 'a'));
  EXPECT_EQ(files[1].blob, "");  // it names the pointer, not the file
  EXPECT_EQ(files[2].Hash(), std::string(64, 'a'));
  EXPECT_EQ(files[3].size, std::nullopt);
  EXPECT_EQ(files[3].Hash(), "");
}

TEST(Listing, OneHostileNameSpoilsAll) {
  EXPECT_FALSE(
      ParseListing(R"({"siblings": [{"rfilename": "a"}, {"rfilename": "../b"}]})", "x").ok());
  EXPECT_FALSE(ParseListing(R"({"siblings": [{"rfilename": "a"}, {"rfilename": "a"}]})", "x").ok());
  EXPECT_FALSE(ParseListing(R"({"siblings": {"rfilename": "a"}})", "x").ok());
  EXPECT_FALSE(ParseListing(R"({"siblings": [{"rfilename": 1}]})", "x").ok());
  EXPECT_FALSE(ParseListing("", "x").ok());
}

TEST(Selection, WhatAModelNeeds) {
  const auto listing =
      Of({".gitattributes", "README.md", "config.json", "tokenizer.json", "tokenizer_config.json",
          "tokenizer.model", "chat_template.jinja", "model-00001-of-00002.safetensors",
          "model.safetensors.index.json", "original/model.safetensors", "pytorch_model.bin",
          "1_Pooling/config.json", "modules.json", "training_args.bin", "optimizer.pt"});
  EXPECT_EQ(Chosen(listing),
            (Names{"config.json", "tokenizer.json", "tokenizer_config.json", "tokenizer.model",
                   "chat_template.jinja", "model-00001-of-00002.safetensors",
                   "model.safetensors.index.json", "1_Pooling/config.json", "modules.json"}));
}

TEST(Selection, PatternsStopAtSlashesAndNeverTakePickles) {
  const auto listing =
      Of({"a.json", "b/a.json", "b/c.json", "x.bin", "x.pt", "x.pth", "x.ckpt", "x.pkl", "x.gguf"});
  EXPECT_EQ(Chosen(listing, {"*.json"}), Names{"a.json"});
  EXPECT_EQ(Chosen(listing, {"b/*"}), (Names{"b/a.json", "b/c.json"}));
  EXPECT_EQ(Chosen(listing, {"x.*"}), Names{"x.gguf"});
  EXPECT_NE(Chosen(listing, {"x.bin"})[0].find("pickles"), std::string::npos);
}

TEST(Selection, NoWeightsSaysWhatThereIs) {
  EXPECT_NE(Chosen(Of({"config.json", "q4.gguf", "q8.gguf"}))[0].find(
                "wring pull o/m:FILE: q4.gguf, q8.gguf"),
            std::string::npos);
  EXPECT_NE(Chosen(Of({"config.json", "model.pt"}))[0].find("pickles only (model.pt)"),
            std::string::npos);
  EXPECT_NE(Chosen(Of({"config.json"}))[0].find("holds no weights"), std::string::npos);
}

TEST(Digest, KnownValues) {
  const auto bytes = std::as_bytes(std::span("hello\n", 6));
  auto sha256 = Digest::Sha256();
  sha256.Update(bytes.first(2));
  sha256.Update(bytes.subspan(2));
  EXPECT_EQ(sha256.Hex(), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  auto blob = Digest::GitBlob(6);  // git hash-object
  blob.Update(bytes);
  EXPECT_EQ(blob.Hex(), "ce013625030ba8dba906f756967f9e9ca394464a");
}

TEST(ModelTable, RowsHaveWhatAPullNeeds) {
  ASSERT_FALSE(ModelTable().empty());
  for (const auto& row : ModelTable()) {
    EXPECT_EQ(row.sha256.size(), 64u) << row.name;
    EXPECT_GT(row.size, 0u) << row.name;
    EXPECT_TRUE(row.package || !row.hub.empty()) << row.name;
  }
  ASSERT_NE(FindModelRow("smollm2-135m-instruct"), nullptr);
  EXPECT_EQ(FindModelRow("smollm2-135m-instruct")->size, 98362432u);
  EXPECT_EQ(FindModelRow("absent"), nullptr);
}

}  // namespace
}  // namespace wring::hub
