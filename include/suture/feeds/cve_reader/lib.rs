//! Reads CVE records 5.x into rows of PostgreSQL's binary COPY format: what `cve_rows`, `affected` and `packed` do in Python,
//! for the records that need no mending. It runs as WebAssembly: it sees its own memory and nothing else.
//!
//! The rules:
//!
//! 1. A record is taken only when it is beyond doubt what the Python reader makes of it. Whatever is unusual (an escape in a
//!    name, a time zone, a value of another type, a key that stands twice) makes the whole record *unsure*, and Python decides.
//!    So nothing is refused, mended or left out here.
//! 2. All of a record is looked at, also what is not used: the grammar of JSON, keys that stand twice, nesting.
//! 3. The caller has made certain that a record is UTF-8. Texts that go into rows as they are may be any UTF-8; all others are
//!    printable ASCII.
//! 4. Of the values in the rows the caller gets what the suites need: distinct ones, or the least and the greatest.

mod json;
mod record;
mod rows;
mod seen;
mod times;

use std::cell::RefCell;

use json::Json;
use record::{record, SCORES};
use rows::{Output, Settings};
use seen::{Seen, MAX_DISTINCT};

/// What the one instance holds between calls.
#[derive(Default)]
struct Reader {
    settings: Settings,
    output: Output,
    head: [u32; 15],
    input: Vec<u8>,
}

thread_local! {
    static READER: RefCell<Reader> = RefCell::new(Reader::default());
}

/// Where the caller may write `size` bytes.
#[no_mangle]
pub extern "C" fn room(size: u32) -> *mut u8 {
    READER.with(|reader| {
        let input = &mut reader.borrow_mut().input;
        input.clear();
        input.resize(size as usize, 0);
        input.as_mut_ptr()
    })
}

/// Take the settings that lie in the room: the heads of the four tables' rows, their tails, and each score as `numeric`; each
/// with its size before it (four bytes, the least first). 1 when they are whole.
#[no_mangle]
pub extern "C" fn configure() -> u32 {
    READER.with(|reader| {
        let reader = &mut *reader.borrow_mut();
        let mut rest = &reader.input[..];
        let mut fields = Vec::new();
        while let Some((field, after)) = sized(rest, 0) {
            fields.push(field.to_vec());
            rest = after;
        }
        let whole = rest.is_empty() && fields.len() == 8 + SCORES;
        if whole {
            let scores = fields.split_off(8);
            let tails = fields.split_off(4);
            reader.settings = Settings { heads: fields, tails, scores };
        }
        whole as u32
    })
}

/// The next `before` bytes more than its size says, and what follows.
fn sized(rest: &[u8], before: usize) -> Option<(&[u8], &[u8])> {
    let size = u32::from_le_bytes(rest.get(..4)?.try_into().ok()?) as usize;
    let end = size.checked_add(4 + before)?;
    Some((rest.get(4..end)?, rest.get(end..)?))
}

/// Read the records that lie in the room, each as its size, its digest (32 bytes) and its text. Returns where the place and
/// size of each result stand: four tables' rows, the ids by line, what was taken, the summary; and 1 when all went well.
#[no_mangle]
pub extern "C" fn read() -> *const u32 {
    READER.with(|reader| {
        let Reader { settings, output, head, input } = &mut *reader.borrow_mut();
        output.cut([0; 7]);
        output.taken.clear();
        output.summary.clear();
        let mut seen = Seen::new();
        let (mut rest, mut few) = (&input[..], true);
        while let (true, Some((digest_and_raw, after))) = (few, sized(rest, 32)) {
            let (digest, raw) = digest_and_raw.split_at(32);
            let before = output.lengths();
            let mut json = Json { raw, at: 0, depth: 0, keys: Vec::with_capacity(64) };
            let sure = record(&mut json).and_then(|found| output.add(settings, &mut seen, &found, digest)).is_ok();
            if !sure {
                output.cut(before);
            }
            output.taken.push(sure as u8);
            rest = after;
            few = seen.sets().iter().all(|set| set.len() <= MAX_DISTINCT);
        }
        seen.summarise(&mut output.summary);
        let results = output.tables.iter().chain([&output.ids, &output.taken, &output.summary]);
        for (place, result) in results.enumerate() {
            head[place * 2] = result.as_ptr() as usize as u32;
            head[place * 2 + 1] = result.len() as u32;
        }
        head[14] = (few && rest.is_empty()) as u32;
        head.as_ptr()
    })
}
