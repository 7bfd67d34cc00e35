//! Chat templates as Hugging Face's apply_chat_template renders them.

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, State};
use serde_json::Value as Json;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crate::bytes::{guard, WringBytes, WringView};
use crate::confined;

/// Steps of the template machine; a real template with 100 messages takes about 20,000.
const FUEL: u64 = 5_000_000;
const MAX_OUTPUT: usize = 16 << 20;
const RECURSION: usize = 200;
/// What a template may hold while it is read or rendered, and how long that may take: a base, and so much a byte of
/// the conversation, which a client makes as large as it likes. A small piece cut out of a text takes 24 bytes, and a
/// text is there three times.
const MEMORY: usize = 256 << 20;
const MEMORY_A_BYTE: usize = 64;
const TIME: Duration = Duration::from_secs(10);
const TIME_A_BYTE: Duration = Duration::from_micros(5);
/// Values of a conversation. Each takes up to 1 KiB (an object with one field, read, converted and written again)
/// though it may come as three bytes, so MEMORY would not be enough for more, and the template would be given up,
/// for everybody, because of what one client sent.
const MAX_VALUES: usize = 1 << 18;

pub struct WringTemplate {
    environment: Arc<Environment<'static>>,
    // What a stopped rendering held is lost, so a template gets no second chance.
    stopped: AtomicBool,
}

/// The error, and whether the work was stopped.
fn confine<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, (bool, String)> {
    let memory = MEMORY.saturating_add(bytes.saturating_mul(MEMORY_A_BYTE));
    let time = TIME + TIME_A_BYTE.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX));
    confined::run(&confined::MODELS, memory, time, work).map_err(|stopped| match stopped {
        confined::Stopped::Failed(message) => (false, message),
        confined::Stopped::OverBudget => (
            true,
            format!(
                "the chat template needs more than {} MiB: use another template",
                memory >> 20
            ),
        ),
        confined::Stopped::Late => (
            true,
            format!(
                "the chat template takes longer than {} s: use another template",
                time.as_secs()
            ),
        ),
    })
}

/// Python's json.dumps(ensure_ascii=False) with its separators, and `indent` where given.
fn python_json(value: &Json, indent: Option<usize>, depth: usize, out: &mut String) {
    let newline = |out: &mut String, depth: usize| {
        if let Some(n) = indent {
            out.push('\n');
            out.push_str(&" ".repeat(n * depth));
        }
    };
    let separator = if indent.is_some() { "," } else { ", " };
    match value {
        Json::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(separator);
                }
                newline(out, depth + 1);
                python_json(item, indent, depth + 1, out);
            }
            newline(out, depth);
            out.push(']');
        }
        Json::Object(map) if !map.is_empty() => {
            out.push('{');
            for (i, (key, item)) in map.iter().enumerate() {
                if i > 0 {
                    out.push_str(separator);
                }
                newline(out, depth + 1);
                out.push_str(&Json::String(key.clone()).to_string());
                out.push_str(": ");
                python_json(item, indent, depth + 1, out);
            }
            newline(out, depth);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

fn tojson(value: &Value, kwargs: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = kwargs.get("indent")?;
    for ignored in ["ensure_ascii", "separators", "sort_keys"] {
        let _: Option<Value> = kwargs.get(ignored)?;
    }
    kwargs.assert_all_used()?;
    let json = serde_json::to_value(value).map_err(|e| {
        Error::new(ErrorKind::InvalidOperation, "cannot be written as JSON").with_source(e)
    })?;
    let mut text = String::new();
    python_json(&json, indent, 0, &mut text);
    Ok(Value::from_safe_string(text))
}

/// Jinja2's indent: a trailing newline stays, empty lines are not indented unless `blank`.
fn indent(
    text: String,
    width: Option<Value>,
    first: Option<bool>,
    blank: Option<bool>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let width = width.or(kwargs.get::<Option<Value>>("width")?);
    let first = first.or(kwargs.get("first")?).unwrap_or(false);
    let blank = blank.or(kwargs.get("blank")?).unwrap_or(false);
    kwargs.assert_all_used()?;
    let margin = match width {
        None => "    ".to_string(),
        Some(w) => match w.as_str() {
            Some(text) => text.to_string(),
            None => " ".repeat(usize::try_from(w).unwrap_or(4).min(1024)),
        },
    };
    let mut out = String::new();
    for (i, line) in text.split('\n').enumerate() {
        if i > 0 {
            out.push('\n');
        }
        let indented = if i == 0 {
            first
        } else {
            blank || !line.is_empty()
        };
        if indented {
            out.push_str(&margin);
        }
        out.push_str(line);
    }
    Ok(out)
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// Days since 1970 to (year, month, day); Howard Hinnant's civil-from-days.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (
        yoe + era * 400 + i64::from(month <= 2),
        month,
        doy - (153 * mp + 2) / 5 + 1,
    )
}

/// The directives that templates use, in UTC; the clock comes from the context's `now` (seconds) so that
/// tests are fixed.
fn strftime_now(state: &State, format: String) -> Result<String, Error> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    const DAYS: [&str; 7] = [
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "Monday",
        "Tuesday",
        "Wednesday",
    ];
    let now = state
        .lookup("now")
        .and_then(|v| i64::try_from(v).ok())
        .unwrap_or_else(|| {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| d.as_secs() as i64)
        });
    let (days, seconds) = (now.div_euclid(86_400), now.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let month_name = MONTHS[(month - 1) as usize];
    let day_name = DAYS[days.rem_euclid(7) as usize];
    let mut out = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('Y') => out.push_str(&format!("{year:04}")),
            Some('m') => out.push_str(&format!("{month:02}")),
            Some('d') => out.push_str(&format!("{day:02}")),
            Some('b') => out.push_str(&month_name[..3]),
            Some('B') => out.push_str(month_name),
            Some('a') => out.push_str(&day_name[..3]),
            Some('A') => out.push_str(day_name),
            Some('H') => out.push_str(&format!("{:02}", seconds / 3600)),
            Some('M') => out.push_str(&format!("{:02}", seconds / 60 % 60)),
            Some('S') => out.push_str(&format!("{:02}", seconds % 60)),
            Some('%') => out.push('%'),
            Some('-') => match chars.next() {
                Some('d') => out.push_str(&day.to_string()),
                Some('m') => out.push_str(&month.to_string()),
                other => {
                    return Err(Error::new(
                        ErrorKind::InvalidOperation,
                        format!("strftime_now: %-{other:?}"),
                    ))
                }
            },
            other => {
                return Err(Error::new(
                    ErrorKind::InvalidOperation,
                    format!("strftime_now: %{other:?}"),
                ))
            }
        }
    }
    Ok(out)
}

/// Refuses output beyond the limit.
struct Limited {
    text: Vec<u8>,
}

impl std::io::Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.text.len() + bytes.len() > MAX_OUTPUT {
            return Err(std::io::Error::other("the output is larger than 16 MiB"));
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn describe(e: &Error) -> String {
    let detail = e
        .detail()
        .map_or_else(|| e.kind().to_string(), str::to_string);
    match e.line() {
        Some(line) => format!("{detail} (template line {line})"),
        None => detail,
    }
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_template_compile(
    source: WringView,
    error: *mut WringBytes,
) -> *mut WringTemplate {
    guard(std::ptr::null_mut(), error, || {
        let source = source.text()?.to_string();
        let environment = confine(0, move || compile(source)).map_err(|(_, message)| message)?;
        Ok(Box::into_raw(Box::new(WringTemplate {
            environment: Arc::new(environment),
            stopped: AtomicBool::new(false),
        })))
    })
}

fn compile(source: String) -> Result<Environment<'static>, String> {
    let mut environment = Environment::new();
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.set_keep_trailing_newline(false);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
    environment.add_filter("tojson", tojson);
    environment.add_filter("indent", indent);
    environment.add_function("raise_exception", raise_exception);
    environment.add_function("strftime_now", strftime_now);
    environment
        .add_template_owned("chat", source)
        .map_err(|e| format!("the chat template cannot be read: {}", describe(&e)))?;
    Ok(environment)
}

/// Values of a JSON text: each but the first follows a comma or begins a list or an object.
fn count_values(json: &str) -> usize {
    let (mut count, mut in_text, mut escaped) = (1, false, false);
    for b in json.bytes() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_text,
            b'"' => in_text = !in_text,
            b',' | b'[' | b'{' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

fn render(environment: &Environment<'static>, context_json: &str) -> Result<Vec<u8>, String> {
    let context: Json = serde_json::from_str(context_json)
        .map_err(|e| format!("the messages are not JSON: {e}"))?;
    let chat = environment.get_template("chat").map_err(|e| describe(&e))?;
    let mut limited = Limited { text: Vec::new() };
    chat.render_captured_to(Value::from_serialize(&context), &mut limited)
        .map_err(|e| format!("the chat template refused the messages: {}", describe(&e)))?;
    Ok(limited.text)
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_template_free(template: *mut WringTemplate) {
    drop(Box::from_raw(template));
}

/// # Safety
/// See wring_bridge.h.
#[no_mangle]
pub unsafe extern "C" fn wring_template_render(
    template: *const WringTemplate,
    context_json: WringView,
    out: *mut WringBytes,
    error: *mut WringBytes,
) -> bool {
    guard(false, error, || {
        let template = &*template;
        if template.stopped.load(Ordering::Acquire) {
            return Err("the chat template was stopped before: use another template".to_string());
        }
        let environment = template.environment.clone();
        let context = context_json.text()?.to_string();
        if count_values(&context) > MAX_VALUES {
            return Err(format!(
                "the conversation has more than {MAX_VALUES} messages, fields and values: shorten it"
            ));
        }
        let text = confine(context.len(), move || render(&environment, &context)).map_err(
            |(stopped, message)| {
                if stopped {
                    template.stopped.store(true, Ordering::Release);
                }
                message
            },
        )?;
        *out = WringBytes::from_vec(text);
        Ok(true)
    })
}
