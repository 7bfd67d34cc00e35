//! How text is cut before byte-pair merges: the `tokenizer.ggml.pre` names of GGUF files, as the
//! pre-tokenizers that Hugging Face's files of the same models describe.

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::digits::Digits;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{PreTokenizerWrapper, SplitDelimiterBehavior};

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const CJK: &str = "[一-龥\u{800}-一가-\u{d7ff}]+";

fn split(regex: &str) -> Result<PreTokenizerWrapper, String> {
    Split::new(
        SplitPattern::Regex(regex.to_string()),
        SplitDelimiterBehavior::Isolated,
        false,
    )
    .map(PreTokenizerWrapper::Split)
    .map_err(|e| e.to_string())
}

fn byte_level(use_regex: bool) -> PreTokenizerWrapper {
    PreTokenizerWrapper::ByteLevel(ByteLevel::new(false, true, use_regex))
}

/// The pre-tokenizer of a name, and whether whole words of the vocabulary skip the merges.
pub fn by_name(name: &str) -> Result<(PreTokenizerWrapper, bool), String> {
    let sequence =
        |parts: Vec<PreTokenizerWrapper>| PreTokenizerWrapper::Sequence(Sequence::new(parts));
    let splits = |regexes: &[&str]| -> Result<PreTokenizerWrapper, String> {
        let mut parts = Vec::new();
        for regex in regexes {
            parts.push(split(regex)?);
        }
        parts.push(byte_level(false));
        Ok(PreTokenizerWrapper::Sequence(Sequence::new(parts)))
    };
    Ok(match name {
        "gpt-2" | "gpt2" | "mpt" | "olmo" | "jais" | "phi-2" | "dbrx" | "roberta-bpe"
        | "jina-es" | "jina-de" | "gigachat" | "exaone" | "" => (byte_level(true), false),
        "llama3" | "llama-v3" | "llama-bpe" => (splits(&[LLAMA3])?, true),
        "qwen2" | "deepseek-r1-qwen" | "stablelm2" | "hunyuan" => (splits(&[QWEN2])?, false),
        "smollm" | "starcoder" | "refact" | "command-r" | "codeshell" => (
            sequence(vec![
                PreTokenizerWrapper::Digits(Digits::new(true)),
                byte_level(true),
            ]),
            false,
        ),
        "falcon" => (
            splits(&[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"])?,
            false,
        ),
        "default" => (
            splits(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"])?,
            false,
        ),
        "deepseek-coder" => (
            splits(&["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", CJK, r"\p{N}"])?,
            false,
        ),
        // Its letters are the cased ones of every script.
        "deepseek-llm" => (
            splits(&[
                "[\r\n]",
                r"\s?[\p{Lu}\p{Ll}\p{Lt}]+",
                "\\s?[!-/:-~！-／：-～‘-‟　-。]+",
                r"\s+$",
                CJK,
                r"\p{N}+",
            ])?,
            false,
        ),
        _ => {
            return Err(format!(
                "pre-tokenizer \"{name}\" is not known: use a tokenizer.json of the model"
            ))
        }
    })
}
