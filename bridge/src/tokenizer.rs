//! Tokenizer objects behind the C interface.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, RwLock};

use llguidance::toktrie::TokTrie;
use llguidance::ParserFactory;
use tokenizers::Tokenizer;

use crate::bounded::{confine, Shared, STOPPED};
use crate::bytes::{guard, WringBytes, WringView};
use crate::vocabulary::{byte_level, sentence_piece, unigram, word_piece, Arrays, Spaces};

/// No vocabulary comes near this; an id sizes tables.
const MAX_IDS: u32 = 1 << 24;

/// A pipeline of our own making (from arrays) has no such steps; its one quadratic expression is harmless below
/// this size, and a thread a text is saved.
const SHORT: usize = 4096;

/// How a token's text stands for bytes.
#[derive(Clone, Copy, PartialEq)]
enum Spelling {
    ByteLevel,     // each char is a byte (GPT-2's table)
    SentencePiece, // "▁" is a space, "<0xAB>" is a byte
    WordPiece,     // "##ing" continues a word, others begin one
    Plain,
}

pub struct WringTokenizer {
    shared: Arc<Shared>,
    from_json: bool,
    spelling: Spelling,
    special: Vec<bool>,
    vocab_size: u32,
    grammars: OnceLock<Result<Arc<ParserFactory>, String>>,
}

impl WringTokenizer {
    /// `size`: one past the largest id, where the caller knows it.
    fn new(mut tokenizer: Tokenizer, size: Option<u32>) -> Result<Self, String> {
        let from_json = size.is_none();
        // A file may carry the settings of its training run; an engine neither cuts nor pads.
        let _ = tokenizer.with_truncation(None);
        tokenizer.with_padding(None);
        let decoder = tokenizer
            .get_decoder()
            .and_then(|d| serde_json::to_string(d).ok())
            .unwrap_or_default();
        let spelling = if decoder.contains("ByteLevel") {
            Spelling::ByteLevel
        } else if decoder.contains("WordPiece") {
            Spelling::WordPiece
        } else if decoder.contains('▁') || decoder.contains("Metaspace") {
            Spelling::SentencePiece
        } else {
            Spelling::Plain
        };
        // Ids may have gaps. The library tells its ids only with a copy of every token, so this is worth avoiding.
        let largest = size.unwrap_or_else(|| {
            tokenizer
                .get_vocab(true)
                .values()
                .copied()
                .max()
                .map_or(0, |id| id.saturating_add(1))
        });
        if largest > MAX_IDS {
            return Err(format!(
                "the tokenizer has an id of {largest}, more than {MAX_IDS}: the file is damaged"
            ));
        }
        let mut special = vec![false; largest as usize];
        for (id, token) in tokenizer.get_added_tokens_decoder() {
            if let Some(flag) = special.get_mut(id as usize) {
                *flag = token.special;
            }
        }
        Ok(Self {
            shared: Arc::new(Shared {
                tokenizer: RwLock::new(tokenizer),
                stopped: AtomicBool::new(false),
            }),
            from_json,
            spelling,
            special,
            vocab_size: largest,
            grammars: OnceLock::new(),
        })
    }

    /// Runs `work` over `bytes` of input within bounds; after a first time beyond them, not at all.
    fn bounded<T: Send + 'static>(
        &self,
        bytes: usize,
        thing: &str,
        work: impl FnOnce(&Shared) -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        if self.shared.stopped.load(Ordering::Acquire) {
            return Err(STOPPED.to_string());
        }
        if !self.from_json && bytes <= SHORT {
            return work(&self.shared);
        }
        let shared = self.shared.clone();
        confine(bytes, thing, move || work(&shared)).map_err(|(stopped, message)| {
            if stopped {
                self.shared.stopped.store(true, Ordering::Release);
            }
            message
        })
    }

    fn encode(
        &self,
        text: &str,
        add_special: bool,
        parse_special: bool,
    ) -> Result<Vec<u32>, String> {
        let text = text.to_string();
        self.bounded(text.len(), "encoding this text", move |shared| {
            shared.encode(&text, add_special, parse_special)
        })
    }

    fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, String> {
        let ids = ids.to_vec();
        self.bounded(
            ids.len().saturating_mul(4),
            "decoding these tokens",
            move |shared| shared.read(|t| t.decode(&ids, skip_special).map_err(|e| e.to_string())),
        )
    }

    fn token_bytes(&self, id: u32, special: bool) -> Vec<u8> {
        let Ok(Some(text)) = self.shared.read(|t| Ok(t.id_to_token(id))) else {
            return Vec::new();
        };
        if self.special.get(id as usize).copied().unwrap_or(false) {
            return if special {
                text.into_bytes()
            } else {
                Vec::new()
            };
        }
        match self.spelling {
            Spelling::Plain => text.into_bytes(),
            Spelling::WordPiece => match text.strip_prefix("##") {
                Some(rest) => rest.as_bytes().to_vec(),
                None => format!(" {text}").into_bytes(),
            },
            Spelling::SentencePiece => {
                if text.len() == 6 && text.starts_with("<0x") && text.ends_with('>') {
                    if let Ok(byte) = u8::from_str_radix(&text[3..5], 16) {
                        return vec![byte];
                    }
                }
                text.replace('▁', " ").into_bytes()
            }
            Spelling::ByteLevel => {
                let mut out = Vec::with_capacity(text.len());
                for c in text.chars() {
                    match byte_of(c) {
                        Some(byte) => out.push(byte),
                        None => return text.into_bytes(), // an added token, written as it is
                    }
                }
                out
            }
        }
    }
}

/// GPT-2's table: printable bytes stand for themselves, the others for U+0100 and up in order.
fn byte_of(c: char) -> Option<u8> {
    let printable =
        |b: u32| (33..=126).contains(&b) || (161..=172).contains(&b) || (174..=255).contains(&b);
    let code = c as u32;
    if code < 256 {
        return printable(code).then_some(code as u8);
    }
    (0..256u32)
        .filter(|b| !printable(*b))
        .nth((code - 256) as usize)
        .map(|b| b as u8)
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_from_json(
    json: WringView,
    error: *mut WringBytes,
) -> *mut WringTokenizer {
    guard(std::ptr::null_mut(), error, || {
        let json = json.slice().to_vec();
        let made = confine(json.len(), "reading tokenizer.json", move || {
            let tokenizer = Tokenizer::from_bytes(&json)
                .map_err(|e| format!("tokenizer.json cannot be read ({e}): get it again"))?;
            WringTokenizer::new(tokenizer, None)
        });
        Ok(Box::into_raw(Box::new(
            made.map_err(|(_, message)| message)?,
        )))
    })
}

#[repr(C)]
pub struct WringVocabulary {
    pub kind: i32,
    pub add_prefix: bool,
    pub remove_extra_spaces: bool,
    pub charsmap: WringView,
    pub pre: WringView,
    pub tokens: *const WringView,
    pub token_count: usize,
    pub types: *const i32,  // token_count
    pub scores: *const f32, // token_count, or null
    pub merges: *const WringView,
    pub merge_count: usize,
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_from_vocabulary(
    v: *const WringVocabulary,
    error: *mut WringBytes,
) -> *mut WringTokenizer {
    guard(std::ptr::null_mut(), error, || {
        let v = &*v;
        let strings = |views: *const WringView, count: usize| -> Vec<String> {
            (0..count)
                .map(|i| String::from_utf8_lossy((*views.add(i)).slice()).into_owned())
                .collect()
        };
        let arrays = Arrays {
            tokens: strings(v.tokens, v.token_count),
            types: std::slice::from_raw_parts(v.types, v.token_count).to_vec(),
            scores: if v.scores.is_null() {
                Vec::new()
            } else {
                std::slice::from_raw_parts(v.scores, v.token_count).to_vec()
            },
            merges: strings(v.merges, v.merge_count),
        };
        let spaces = Spaces {
            add_prefix: v.add_prefix,
            remove_extra: v.remove_extra_spaces,
            charsmap: v.charsmap.slice(),
        };
        let tokenizer = match v.kind {
            0 => byte_level(arrays, v.pre.text()?),
            1 => sentence_piece(arrays, &spaces),
            2 => word_piece(arrays),
            3 => unigram(arrays, &spaces),
            kind => Err(format!("vocabulary kind {kind} is not known")),
        }?;
        let size = u32::try_from(v.token_count).map_err(|_| "too many tokens".to_string())?;
        Ok(Box::into_raw(Box::new(WringTokenizer::new(
            tokenizer,
            Some(size),
        )?)))
    })
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_free(tokenizer: *mut WringTokenizer) {
    drop(Box::from_raw(tokenizer));
}

/// Ids as little-endian u32 in `out`.
///
/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_encode(
    tokenizer: *const WringTokenizer,
    text: WringView,
    add_special: bool,
    parse_special: bool,
    out: *mut WringBytes,
    error: *mut WringBytes,
) -> bool {
    guard(false, error, || {
        let ids = (*tokenizer).encode(text.text()?, add_special, parse_special)?;
        *out = WringBytes::from_vec(ids.iter().flat_map(|id| id.to_le_bytes()).collect());
        Ok(true)
    })
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_decode(
    tokenizer: *const WringTokenizer,
    ids: *const u32,
    count: usize,
    skip_special: bool,
    out: *mut WringBytes,
    error: *mut WringBytes,
) -> bool {
    guard(false, error, || {
        let ids = if count == 0 {
            &[]
        } else {
            std::slice::from_raw_parts(ids, count)
        };
        let text = (*tokenizer).decode(ids, skip_special)?;
        *out = WringBytes::from_vec(text.into_bytes());
        Ok(true)
    })
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_token_bytes(
    tokenizer: *const WringTokenizer,
    id: u32,
    special: bool,
) -> WringBytes {
    guard(
        WringBytes {
            data: std::ptr::null_mut(),
            size: 0,
        },
        std::ptr::null_mut(),
        || Ok(WringBytes::from_vec((*tokenizer).token_bytes(id, special))),
    )
}

/// The id of a token's text, or -1.
///
/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_id(
    tokenizer: *const WringTokenizer,
    token: WringView,
) -> i64 {
    guard(-1, std::ptr::null_mut(), || {
        let token = token.text()?;
        let id = (*tokenizer).shared.read(|t| Ok(t.token_to_id(token)))?;
        Ok(id.map_or(-1, i64::from))
    })
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_vocab_size(tokenizer: *const WringTokenizer) -> u32 {
    (*tokenizer).vocab_size
}

/// Whether `id` is a control token.
///
/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_tokenizer_is_special(
    tokenizer: *const WringTokenizer,
    id: u32,
) -> bool {
    let tokenizer = &*tokenizer;
    tokenizer.special.get(id as usize).copied().unwrap_or(false)
}

impl WringTokenizer {
    pub fn vocab_size(&self) -> u32 {
        self.vocab_size
    }

    /// What grammars share, made by the first.
    pub fn grammar_factory(&self) -> Result<Arc<ParserFactory>, String> {
        self.grammars
            .get_or_init(|| crate::grammar::factory(self.words()).map(Arc::new))
            .clone()
    }

    /// The bytes of every id. A control token's are marked, so that a grammar can name it and none spells it.
    fn words(&self) -> Vec<Vec<u8>> {
        (0..self.vocab_size)
            .map(|id| {
                if !self.special[id as usize] {
                    return self.token_bytes(id, false);
                }
                let mut word = vec![TokTrie::SPECIAL_TOKEN_MARKER];
                word.extend(self.token_bytes(id, true));
                word
            })
            .collect()
    }
}
