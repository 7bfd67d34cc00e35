//! Tokenizers that stand only as arrays: GGUF metadata and llama2.c files, made into the same object that
//! tokenizer.json gives.

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::byte_level::ByteLevel as ByteLevelDecoder;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as DecoderSequence;
use tokenizers::decoders::strip::Strip;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::{Merges, Vocab, BPE};
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::normalizers::precompiled::Precompiled;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::{Prepend, Sequence as NormalizerSequence, Strip as StripNormalizer};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, DecoderWrapper, NormalizerWrapper, Tokenizer};

/// Token types of GGUF (`tokenizer.ggml.token_type`).
const UNKNOWN: i32 = 2;
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;

pub struct Arrays {
    pub tokens: Vec<String>,
    pub types: Vec<i32>,
    pub scores: Vec<f32>,
    pub merges: Vec<String>,
}

fn vocab(tokens: &[String]) -> Vocab {
    // The last of equal texts wins, as in the files' own readers; ids stay positions.
    let mut vocab = Vocab::with_capacity(tokens.len());
    for (id, token) in tokens.iter().enumerate() {
        vocab.insert(token.clone(), id as u32);
    }
    vocab
}

fn add_special(tokenizer: &mut Tokenizer, arrays: &Arrays) {
    let of = |wanted: &[i32], special: bool| -> Vec<AddedToken> {
        arrays
            .tokens
            .iter()
            .zip(&arrays.types)
            .filter(|(text, kind)| wanted.contains(kind) && !text.is_empty())
            .map(|(text, _)| AddedToken::from(text.clone(), special).normalized(false))
            .collect()
    };
    tokenizer.add_special_tokens(&of(&[UNKNOWN, CONTROL], true));
    tokenizer.add_tokens(&of(&[USER_DEFINED], false));
}

/// Byte-level BPE with the merges listed ("gpt2").
pub fn byte_level(arrays: Arrays, pre: &str) -> Result<Tokenizer, String> {
    let (pre_tokenizer, ignore_merges) = crate::pre_tokenizer::by_name(pre)?;
    let vocab = vocab(&arrays.tokens);
    let mut merges: Merges = Vec::with_capacity(arrays.merges.len());
    for merge in &arrays.merges {
        let (left, right) = merge.split_once(' ').ok_or_else(|| {
            format!("the merge \"{merge}\" is not two tokens: the file is damaged")
        })?;
        merges.push((left.to_string(), right.to_string()));
    }
    let model = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .ignore_merges(ignore_merges)
        .build()
        .map_err(|e| {
            format!("the tokenizer's merges do not fit its vocabulary ({e}): the file is damaged")
        })?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer));
    tokenizer.with_decoder(Some(ByteLevelDecoder::new(true, true, true)));
    add_special(&mut tokenizer, &arrays);
    Ok(tokenizer)
}

/// What SentencePiece does to text before it is cut, and undoes after.
pub struct Spaces<'a> {
    pub add_prefix: bool,
    pub remove_extra: bool,
    pub charsmap: &'a [u8],
}

fn with_spaces(tokenizer: &mut Tokenizer, spaces: &Spaces) -> Result<(), String> {
    let mut steps = Vec::new();
    if !spaces.charsmap.is_empty() {
        // The rules begin with the size of a table; the library makes room for what that says.
        let announced = spaces
            .charsmap
            .first_chunk::<4>()
            .map_or(usize::MAX, |size| u32::from_le_bytes(*size) as usize);
        if announced > spaces.charsmap.len() {
            return Err("the tokenizer's normalisation rules are damaged".to_string());
        }
        let rules = Precompiled::from(spaces.charsmap)
            .map_err(|_| "the tokenizer's normalisation rules are damaged".to_string())?;
        steps.push(NormalizerWrapper::Precompiled(rules));
    }
    if spaces.remove_extra {
        steps.push(NormalizerWrapper::StripNormalizer(StripNormalizer::new(
            true, true,
        )));
        let runs = Replace::new(ReplacePattern::Regex(" {2,}".to_string()), " ");
        steps.push(NormalizerWrapper::Replace(runs.map_err(|e| e.to_string())?));
    }
    if spaces.add_prefix {
        steps.push(NormalizerWrapper::Prepend(Prepend::new("▁".to_string())));
    }
    let mark = Replace::new(" ", "▁").map_err(|e| e.to_string())?;
    steps.push(NormalizerWrapper::Replace(mark));
    tokenizer.with_normalizer(Some(NormalizerSequence::new(steps)));
    let mut decoders = vec![
        DecoderWrapper::Replace(Replace::new("▁", " ").map_err(|e| e.to_string())?),
        DecoderWrapper::ByteFallback(ByteFallback::new()),
        DecoderWrapper::Fuse(Fuse::new()),
    ];
    if spaces.add_prefix {
        decoders.push(DecoderWrapper::Strip(Strip::new(' ', 1, 0)));
    }
    tokenizer.with_decoder(Some(DecoderSequence::new(decoders)));
    Ok(())
}

/// SentencePiece's unigram model: the cut of highest total score.
pub fn unigram(arrays: Arrays, spaces: &Spaces) -> Result<Tokenizer, String> {
    if arrays.scores.len() != arrays.tokens.len() {
        return Err("the tokenizer has no score for each token: the file is damaged".to_string());
    }
    let pieces: Vec<(String, f64)> = arrays
        .tokens
        .iter()
        .zip(&arrays.scores)
        .map(|(text, score)| (text.clone(), f64::from(*score)))
        .collect();
    let unknown = arrays.types.iter().position(|t| *t == UNKNOWN);
    let byte_fallback = arrays.tokens.iter().any(|t| t == "<0x00>");
    let model = Unigram::from(pieces, unknown, byte_fallback).map_err(|e| {
        format!("the tokenizer's pieces are inconsistent ({e}): the file is damaged")
    })?;
    let mut tokenizer = Tokenizer::new(model);
    with_spaces(&mut tokenizer, spaces)?;
    add_special(&mut tokenizer, &arrays);
    Ok(tokenizer)
}

/// Every cut of every piece is looked up, which is quadratic in a piece's length. Even 2^18 pieces
/// of 22 bytes stay below this; one piece of a megabyte would take hours.
const MAX_CUTS: usize = 1 << 27;

/// SentencePiece BPE with byte fallback ("llama"): merges follow from the scores. A pair that gives a piece
/// is merged in order of that piece's score.
pub fn sentence_piece(arrays: Arrays, spaces: &Spaces) -> Result<Tokenizer, String> {
    if arrays.scores.len() != arrays.tokens.len() {
        return Err("the tokenizer has no score for each token: the file is damaged".to_string());
    }
    let cuts = arrays.tokens.iter().fold(0usize, |sum, t| {
        sum.saturating_add(t.len().saturating_mul(t.len()))
    });
    if cuts > MAX_CUTS {
        return Err("the tokenizer's pieces are too long: the file is damaged".to_string());
    }
    let vocab = vocab(&arrays.tokens);
    let mut ranked: Vec<(f32, u32, u32, (String, String))> = Vec::new();
    for (id, token) in arrays.tokens.iter().enumerate() {
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if let (Some(l), Some(r)) = (vocab.get(left), vocab.get(right)) {
                ranked.push((
                    arrays.scores[id],
                    *l,
                    *r,
                    (left.to_string(), right.to_string()),
                ));
            }
        }
    }
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let merges: Merges = ranked.into_iter().map(|m| m.3).collect();
    let byte_fallback = vocab.contains_key("<0x00>");
    let unknown = arrays
        .types
        .iter()
        .position(|t| *t == UNKNOWN)
        .map(|id| arrays.tokens[id].clone());
    let mut builder = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .byte_fallback(byte_fallback)
        .fuse_unk(true);
    if let Some(unknown) = unknown {
        builder = builder.unk_token(unknown);
    }
    let model = builder.build().map_err(|e| {
        format!("the tokenizer's pieces are inconsistent ({e}): the file is damaged")
    })?;
    let mut tokenizer = Tokenizer::new(model);
    with_spaces(&mut tokenizer, spaces)?;
    add_special(&mut tokenizer, &arrays);
    Ok(tokenizer)
}

/// BERT's control tokens; its vocabularies mark them by their text.
const BERT_CONTROL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// WordPiece as BERT uses it ("bert"). GGUF files write "\u{2581}the" for a piece that begins a word and "ing"
/// for one that continues it; the model wants "the" and "##ing".
pub fn word_piece(arrays: Arrays) -> Result<Tokenizer, String> {
    let piece = |token: &String| -> String {
        if token.starts_with('[') && token.ends_with(']') {
            token.clone()
        } else if let Some(word) = token.strip_prefix('▁') {
            word.to_string()
        } else {
            format!("##{token}")
        }
    };
    let pieces: Vec<String> = arrays.tokens.iter().map(piece).collect();
    let vocab = vocab(&pieces);
    let id = |token: &str| -> Result<u32, String> {
        vocab.get(token).copied().ok_or_else(|| {
            format!(
                "the tokenizer has no {token}: its vocabulary is incomplete, get the file again"
            )
        })
    };
    let (cls, sep) = (id("[CLS]")?, id("[SEP]")?);
    id("[UNK]")?;
    // A vocabulary without capital letters was trained on lower-cased text without accents.
    let lowercase = !pieces
        .iter()
        .any(|p| !p.starts_with('[') && p.contains(|c: char| c.is_ascii_uppercase()));
    let model = WordPiece::builder()
        .vocab(vocab)
        .unk_token("[UNK]".to_string())
        .build()
        .map_err(|e| {
            format!("the tokenizer's pieces are inconsistent ({e}): the file is damaged")
        })?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer.with_normalizer(Some(BertNormalizer::new(true, true, None, lowercase)));
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(
        ("[SEP]".to_string(), sep),
        ("[CLS]".to_string(), cls),
    )));
    tokenizer.with_decoder(Some(WordPieceDecoder::new("##".to_string(), true)));
    let control: Vec<AddedToken> = BERT_CONTROL
        .iter()
        .filter(|text| pieces.iter().any(|p| p == *text))
        .map(|text| AddedToken::from(text.to_string(), true).normalized(false))
        .collect();
    tokenizer.add_special_tokens(&control);
    Ok(tokenizer)
}
