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

use std::cell::RefCell;
use std::collections::HashSet;

const MAX_DEPTH: u32 = 50; // the strict reader allows 60
const MAX_KEYS: usize = 100; // of one object: each new key is compared with those before it
const MAX_KEY: usize = 100; // bytes of one
const MAX_CONTAINERS: usize = 100;
const MAX_METRICS: usize = 100; // of a container
const MAX_SCORES: usize = 200; // of a record: each is compared with those before it
const MAX_PRODUCTS: usize = 1000;
const MAX_VERSIONS: usize = 10_000;
const MAX_NAME: usize = 500;
const MAX_WHO: usize = 200;
const MAX_DISTINCT: usize = 4096; // of a chunk's values of one column; more of them: the chunk is Python's
const SCORES: usize = 101; // 0.0 to 10.0 in tenths

/// The record is left to Python.
struct Unsure;
type Sure<T> = Result<T, Unsure>;

fn require(sure: bool) -> Sure<()> {
    if sure { Ok(()) } else { Err(Unsure) }
}

// JSON ---------------------------------------------------------------------------------------------------------------------

/// A text as it stands between its quotes. `escaped`: it holds a backslash.
#[derive(Clone, Copy)]
struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

struct Json<'a> {
    raw: &'a [u8],
    at: usize,
    depth: u32,
    keys: Vec<(u64, &'a [u8])>, // of the objects that are open, each with its first eight bytes
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A high bit in each byte that ends or interrupts a text: a quote, a backslash, a control character. Exact in the lowest
/// such byte, which is the one that counts.
fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    ((quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash) | control) & HIGHS
}

impl<'a> Json<'a> {
    fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.raw.get(self.at) {
            self.at += 1;
        }
    }

    fn peek(&mut self) -> Sure<u8> {
        self.blank();
        self.raw.get(self.at).copied().ok_or(Unsure)
    }

    fn take(&mut self, byte: u8) -> Sure<()> {
        require(self.peek()? == byte)?;
        self.at += 1;
        Ok(())
    }

    fn text(&mut self) -> Sure<Text<'a>> {
        self.take(b'"')?;
        let start = self.at;
        let mut escaped = false;
        loop {
            while let Some(eight) = self.raw.get(self.at..self.at + 8) {
                let found = special(u64::from_le_bytes(eight.try_into().map_err(|_| Unsure)?));
                if found != 0 {
                    self.at += (found.trailing_zeros() / 8) as usize;
                    break;
                }
                self.at += 8;
            }
            match *self.raw.get(self.at).ok_or(Unsure)? {
                b'"' => {
                    let raw = &self.raw[start..self.at];
                    self.at += 1;
                    return Ok(Text { raw, escaped });
                }
                b'\\' => {
                    escaped = true;
                    self.escape()?;
                }
                0..=0x1f => return Err(Unsure),
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Sure<()> {
        match *self.raw.get(self.at + 1).ok_or(Unsure)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 2,
            b'u' => {
                let code = hexadecimal(self.raw.get(self.at + 2..self.at + 6).ok_or(Unsure)?)?;
                // NUL is refused elsewhere; halves of characters need care.
                require(code != 0 && !(0xd800..0xe000).contains(&code))?;
                self.at += 6;
            }
            _ => return Err(Unsure),
        }
        Ok(())
    }

    /// Each member of an object: `member` reads the value of its key.
    fn object<F: FnMut(&mut Self, &'a [u8]) -> Sure<()>>(&mut self, mut member: F) -> Sure<()> {
        self.take(b'{')?;
        self.depth += 1;
        require(self.depth <= MAX_DEPTH)?;
        let first = self.keys.len();
        if self.peek()? == b'}' {
            self.at += 1;
        } else {
            loop {
                let key = self.text()?;
                require(!key.escaped)?;
                self.note(first, key.raw)?;
                self.take(b':')?;
                member(self, key.raw)?;
                match self.peek()? {
                    b',' => self.at += 1,
                    b'}' => break self.at += 1,
                    _ => return Err(Unsure),
                }
            }
        }
        self.keys.truncate(first);
        self.depth -= 1;
        Ok(())
    }

    /// The key stands once in its object.
    fn note(&mut self, first: usize, key: &'a [u8]) -> Sure<()> {
        let mut head = [0u8; 8];
        let length = key.len().min(8);
        head[..length].copy_from_slice(&key[..length]);
        let head = u64::from_le_bytes(head);
        let others = &self.keys[first..];
        require(others.len() < MAX_KEYS && key.len() <= MAX_KEY)?;
        require(!others.iter().any(|other| other.0 == head && other.1 == key))?;
        self.keys.push((head, key));
        Ok(())
    }

    fn array<F: FnMut(&mut Self) -> Sure<()>>(&mut self, mut item: F) -> Sure<()> {
        self.take(b'[')?;
        self.depth += 1;
        require(self.depth <= MAX_DEPTH)?;
        if self.peek()? == b']' {
            self.at += 1;
        } else {
            loop {
                item(self)?;
                match self.peek()? {
                    b',' => self.at += 1,
                    b']' => break self.at += 1,
                    _ => return Err(Unsure),
                }
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn word(&mut self, word: &[u8]) -> Sure<()> {
        require(self.raw[self.at..].starts_with(word))?;
        self.at += word.len();
        Ok(())
    }

    /// True and past it when a null comes.
    fn null(&mut self) -> Sure<bool> {
        let found = self.peek()? == b'n';
        if found {
            self.word(b"null")?;
        }
        Ok(found)
    }

    /// A number without an exponent and of at most 18 characters.
    fn number(&mut self) -> Sure<&'a [u8]> {
        self.blank();
        let start = self.at;
        if self.raw.get(self.at) == Some(&b'-') {
            self.at += 1;
        }
        let whole = self.digits();
        require(whole == 1 || (whole > 1 && self.raw[self.at - whole] != b'0'))?;
        if self.raw.get(self.at) == Some(&b'.') {
            self.at += 1;
            require(self.digits() > 0)?;
        }
        require(!matches!(self.raw.get(self.at), Some(b'e' | b'E')) && self.at - start <= 18)?;
        Ok(&self.raw[start..self.at])
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.raw.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    /// Any value, all of it looked at.
    fn skip(&mut self) -> Sure<()> {
        match self.peek()? {
            b'"' => self.text().map(|_| ()),
            b'{' => self.object(|json, _key| json.skip()),
            b'[' => self.array(|json| json.skip()),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number().map(|_| ()),
        }
    }

    /// A text of printable ASCII without escapes, at most so long; "" where null is `absent`.
    fn plain(&mut self, most: usize) -> Sure<&'a [u8]> {
        let text = self.text()?;
        require(!text.escaped && text.raw.len() <= most && text.raw.iter().all(|byte| (0x20..0x7f).contains(byte)))?;
        Ok(text.raw)
    }

    /// A name as it is kept: one line, nothing to trim, not empty. None: null.
    fn name(&mut self) -> Sure<Option<&'a [u8]>> {
        if self.null()? {
            return Ok(None);
        }
        let name = self.plain(MAX_NAME)?;
        let mut before = b' ';
        for &byte in name {
            require(byte != b' ' || before != b' ')?;
            before = byte;
        }
        require(before != b' ')?; // empty, or a blank at its end
        Ok(Some(name))
    }

    /// One of these texts, as its place. None: null.
    fn one_of(&mut self, known: &[&[u8]]) -> Sure<u8> {
        let text = self.text()?;
        known.iter().position(|&one| one == text.raw).map(|place| place as u8).ok_or(Unsure)
    }
}

fn hexadecimal(digits: &[u8]) -> Sure<u32> {
    digits.iter().try_fold(0, |code, &digit| Ok(code << 4 | (digit as char).to_digit(16).ok_or(Unsure)?))
}

// Times --------------------------------------------------------------------------------------------------------------------

fn number(digits: &[u8]) -> Sure<i64> {
    digits.iter().try_fold(0, |value, &digit| {
        require(digit.is_ascii_digit())?;
        Ok(value * 10 + (digit - b'0') as i64)
    })
}

/// Days since 2000-01-01 of YYYY-MM-DD (the days of the civil calendar, counted from 1 March).
fn day(text: &[u8]) -> Sure<i64> {
    require(text.len() == 10 && text[4] == b'-' && text[7] == b'-')?;
    let (year, month, day) = (number(&text[..4])?, number(&text[5..7])?, number(&text[8..])?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + leap as i64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    require(year >= 1 && (1..=12).contains(&month) && (1..=longest).contains(&day))?;
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let before = year.div_euclid(400) * 146_097 + year.rem_euclid(400) * 365 + year.rem_euclid(400) / 4
        - year.rem_euclid(400) / 100;
    Ok(before + (153 * month + 2) / 5 + day - 1 - 730_425)
}

/// Microseconds since 2000-01-01 of YYYY-MM-DDTHH:MM:SS with or without three or six digits more and a Z: in UTC.
fn moment(text: &[u8]) -> Sure<i64> {
    let text = text.strip_suffix(b"Z").unwrap_or(text);
    require(text.len() >= 19 && text[10] == b'T' && text[13] == b':' && text[16] == b':')?;
    let (hour, minute, second) = (number(&text[11..13])?, number(&text[14..16])?, number(&text[17..19])?);
    require(hour < 24 && minute < 60 && second < 60)?;
    let micros = match text.len() {
        19 => 0,
        23 if text[19] == b'.' => number(&text[20..])? * 1000,
        26 if text[19] == b'.' => number(&text[20..])?,
        _ => return Err(Unsure),
    };
    Ok((day(&text[..10])? * 86_400 + hour * 3600 + minute * 60 + second) * 1_000_000 + micros)
}

fn optional_moment(json: &mut Json) -> Sure<Option<i64>> {
    if json.null()? {
        return Ok(None);
    }
    moment(json.plain(40)?).map(Some)
}

// Records ------------------------------------------------------------------------------------------------------------------

const STATUSES: [&[u8]; 3] = [b"affected", b"unaffected", b"unknown"];
const VERSIONS: [&[u8]; 4] = [b"4.0", b"3.1", b"3.0", b"2.0"];
const EXPLOITATION: [&[u8]; 3] = [b"none", b"poc", b"active"];
const AUTOMATABLE: [&[u8]; 2] = [b"yes", b"no"];
const IMPACT: [&[u8]; 2] = [b"partial", b"total"];
const STATES: [&[u8]; 2] = [b"PUBLISHED", b"REJECTED"];

#[derive(Default)]
struct Record<'a> {
    kind: &'a [u8],
    version: &'a [u8],
    cve_id: &'a [u8],
    state: Option<u8>,
    assigner: &'a [u8],
    published: Option<i64>,
    updated: Option<i64>,
    has_cna: bool,
    cna: Container<'a>,
    adp: Vec<Container<'a>>,
}

#[derive(Default)]
struct Container<'a> {
    name: &'a [u8],
    dated: Option<i64>,
    title: Option<Text<'a>>,
    cwes: Vec<&'a [u8]>,
    metrics: Vec<Metric<'a>>,
    affected: Vec<Entry<'a>>,
}

#[derive(Default)]
struct Metric<'a> {
    scores: [Option<Score<'a>>; 4], // in the order of VERSIONS
    other: Option<Other>,
}

#[derive(Clone, Copy, Default)]
struct Score<'a> {
    vector: &'a [u8],
    tenths: Option<u8>,
    severity: Option<&'a [u8]>,
}

#[derive(Clone, Copy)]
enum Other {
    Ssvc { values: [u8; 3], dated: Option<i64> },
    Kev { added: i64 },
}

#[derive(Default)]
struct Entry<'a> {
    vendor: Option<&'a [u8]>,
    product: Option<&'a [u8]>,
    package: Option<&'a [u8]>,
    address: Option<&'a [u8]>,
    default: Option<u8>,
    versions: Vec<Version<'a>>,
}

#[derive(Default)]
struct Version<'a> {
    version: &'a [u8],
    status: Option<u8>,
    bounds: [Option<&'a [u8]>; 3], // lessThan, lessThanOrEqual, versionType
    changes: Vec<(&'a [u8], u8)>,
}

fn record<'a>(json: &mut Json<'a>) -> Sure<Record<'a>> {
    let mut found = Record::default();
    json.object(|json, key| match key {
        b"dataType" => Ok(found.kind = json.plain(40)?),
        b"dataVersion" => Ok(found.version = json.plain(40)?),
        b"cveMetadata" => metadata(json, &mut found),
        b"containers" => json.object(|json, key| match key {
            b"cna" => {
                found.has_cna = true;
                Ok(found.cna = container(json)?)
            }
            b"adp" => json.array(|json| {
                require(found.adp.len() < MAX_CONTAINERS)?;
                Ok(found.adp.push(container(json)?))
            }),
            _ => json.skip(),
        }),
        _ => json.skip(),
    })?;
    json.blank();
    require(json.at == json.raw.len())?;
    require(found.kind == b"CVE_RECORD" && found.version.starts_with(b"5.") && found.has_cna && is_id(found.cve_id))?;
    Ok(found)
}

/// CVE-, four digits, -, 4 to 19 digits.
fn is_id(text: &[u8]) -> bool {
    text.len() >= 13 && text.len() <= 28 && text.starts_with(b"CVE-") && text[8] == b'-'
        && text[4..8].iter().chain(&text[9..]).all(u8::is_ascii_digit)
}

fn metadata<'a>(json: &mut Json<'a>, found: &mut Record<'a>) -> Sure<()> {
    json.object(|json, key| match key {
        b"cveId" => Ok(found.cve_id = json.plain(40)?),
        b"state" => Ok(found.state = Some(json.one_of(&STATES)?)),
        b"assignerShortName" => Ok(found.assigner = json.plain(MAX_WHO)?),
        b"datePublished" => Ok(found.published = optional_moment(json)?),
        b"dateUpdated" => Ok(found.updated = optional_moment(json)?),
        _ => json.skip(),
    })
}

fn container<'a>(json: &mut Json<'a>) -> Sure<Container<'a>> {
    let mut found = Container::default();
    json.object(|json, key| match key {
        b"providerMetadata" => json.object(|json, key| match key {
            b"shortName" => Ok(found.name = json.plain(MAX_WHO)?),
            b"dateUpdated" => Ok(found.dated = optional_moment(json)?),
            _ => json.skip(),
        }),
        b"title" => {
            if !json.null()? {
                found.title = Some(json.text()?);
            }
            Ok(())
        }
        b"problemTypes" => json.array(|json| {
            json.object(|json, key| match key {
                b"descriptions" => json.array(|json| {
                    json.object(|json, key| match key {
                        b"cweId" if !json.null()? => {
                            let cwe = json.plain(100)?;
                            if !cwe.is_empty() {
                                found.cwes.push(cwe);
                            }
                            Ok(())
                        }
                        b"cweId" => Ok(()),
                        _ => json.skip(),
                    })
                }),
                _ => json.skip(),
            })
        }),
        b"metrics" => json.array(|json| {
            require(found.metrics.len() < MAX_METRICS)?;
            Ok(found.metrics.push(metric(json)?))
        }),
        b"affected" if !json.null()? => json.array(|json| {
            require(found.affected.len() < MAX_PRODUCTS)?;
            Ok(found.affected.push(entry(json)?))
        }),
        b"affected" => Ok(()),
        _ => json.skip(),
    })?;
    Ok(found)
}

fn metric<'a>(json: &mut Json<'a>) -> Sure<Metric<'a>> {
    let mut found = Metric::default();
    json.object(|json, key| match key {
        b"cvssV4_0" => Ok(found.scores[0] = score(json)?),
        b"cvssV3_1" => Ok(found.scores[1] = score(json)?),
        b"cvssV3_0" => Ok(found.scores[2] = score(json)?),
        b"cvssV2_0" => Ok(found.scores[3] = score(json)?),
        b"other" if !json.null()? => Ok(found.other = Some(other(json)?)),
        b"other" => Ok(()),
        _ => json.skip(),
    })?;
    Ok(found)
}

fn score<'a>(json: &mut Json<'a>) -> Sure<Option<Score<'a>>> {
    if json.null()? {
        return Ok(None);
    }
    let mut found = Score::default();
    json.object(|json, key| match key {
        b"vectorString" => Ok(found.vector = json.plain(MAX_NAME)?),
        b"baseScore" if !json.null()? => Ok(found.tenths = Some(tenths(json.number()?)?)),
        b"baseScore" => Ok(()),
        b"baseSeverity" if !json.null()? => Ok(found.severity = Some(json.plain(100)?)),
        b"baseSeverity" => Ok(()),
        _ => json.skip(),
    })?;
    require(!found.vector.is_empty() || found.tenths.is_some())?;
    Ok(Some(found))
}

fn tenths(text: &[u8]) -> Sure<u8> {
    let (whole, tenth) = match text {
        [whole @ .., b'.', tenth] => (whole, (tenth - b'0') as i64),
        whole => (whole, 0),
    };
    require(!whole.is_empty() && whole.len() <= 2)?;
    let found = number(whole)? * 10 + tenth;
    require(found < SCORES as i64)?;
    Ok(found as u8)
}

fn other(json: &mut Json) -> Sure<Other> {
    let mut kind: Option<u8> = None;
    let mut content: Option<Content> = None;
    json.object(|json, key| match key {
        b"type" => Ok(kind = Some(json.one_of(&[b"ssvc", b"kev"])?)),
        b"content" => Ok(content = Some(Content::read(json)?)),
        _ => json.skip(),
    })?;
    match (kind, content.ok_or(Unsure)?) {
        (Some(0), Content { values: [Some(a), Some(b), Some(c)], stamp, .. }) => {
            Ok(Other::Ssvc { values: [a, b, c], dated: stamp })
        }
        (Some(1), Content { added: Some(added), .. }) => Ok(Other::Kev { added }),
        _ => Err(Unsure),
    }
}

/// What SSVC's or KEV's content may hold; which of the two it is comes before or after.
struct Content {
    values: [Option<u8>; 3],
    stamp: Option<i64>,
    added: Option<i64>,
}

impl Content {
    fn read(json: &mut Json) -> Sure<Content> {
        let mut found = Content { values: [None; 3], stamp: None, added: None };
        json.object(|json, key| match key {
            b"options" => json.array(|json| {
                json.object(|json, key| match key {
                    b"Exploitation" => Ok(found.values[0] = Some(json.one_of(&EXPLOITATION)?)),
                    b"Automatable" => Ok(found.values[1] = Some(json.one_of(&AUTOMATABLE)?)),
                    b"Technical Impact" => Ok(found.values[2] = Some(json.one_of(&IMPACT)?)),
                    _ => Err(Unsure),
                })
            }),
            b"timestamp" => Ok(found.stamp = optional_moment(json)?),
            b"dateAdded" => {
                let text = json.plain(40)?;
                Ok(found.added = Some(day(text.get(..10).ok_or(Unsure)?)?))
            }
            _ => json.skip(),
        })?;
        Ok(found)
    }
}

fn entry<'a>(json: &mut Json<'a>) -> Sure<Entry<'a>> {
    let mut found = Entry::default();
    json.object(|json, key| match key {
        b"vendor" => Ok(found.vendor = json.name()?),
        b"product" => Ok(found.product = json.name()?),
        b"packageName" => Ok(found.package = json.name()?),
        b"collectionURL" => Ok(found.address = json.name()?),
        b"defaultStatus" if !json.null()? => Ok(found.default = Some(json.one_of(&STATUSES)?)),
        b"defaultStatus" => Ok(()),
        b"versions" if !json.null()? => json.array(|json| {
            require(found.versions.len() < MAX_VERSIONS)?;
            Ok(found.versions.push(version(json)?))
        }),
        b"versions" => Ok(()),
        _ => json.skip(),
    })?;
    require(found.vendor.is_some() || found.product.is_some() || found.package.is_some())?;
    Ok(found)
}

fn version<'a>(json: &mut Json<'a>) -> Sure<Version<'a>> {
    let mut found = Version::default();
    json.object(|json, key| match key {
        b"version" => Ok(found.version = json.name()?.ok_or(Unsure)?),
        b"status" => Ok(found.status = Some(json.one_of(&STATUSES)?)),
        b"lessThan" => Ok(found.bounds[0] = json.name()?),
        b"lessThanOrEqual" => Ok(found.bounds[1] = json.name()?),
        b"versionType" => Ok(found.bounds[2] = json.name()?),
        b"changes" if !json.null()? => {
            json.array(|json| {
                let (mut at, mut status) = (None, None);
                json.object(|json, key| match key {
                    b"at" => Ok(at = json.name()?),
                    b"status" => Ok(status = Some(json.one_of(&STATUSES)?)),
                    _ => json.skip(),
                })?;
                Ok(found.changes.push((at.ok_or(Unsure)?, status.ok_or(Unsure)?)))
            })?;
            require(!found.changes.is_empty())
        }
        b"changes" => Ok(()),
        _ => json.skip(),
    })?;
    require(!found.version.is_empty() && found.status.is_some())?;
    Ok(found)
}

// Rows ---------------------------------------------------------------------------------------------------------------------

const NULL: [u8; 4] = [0xff; 4];
const CVE: usize = 0;
const SCORE: usize = 1;
const SSVC: usize = 2;
const PRODUCT: usize = 3;

/// What the caller says once: for each table what stands before and after a row's own fields, and each score as `numeric`.
#[derive(Default)]
struct Settings {
    heads: Vec<Vec<u8>>,
    tails: Vec<Vec<u8>>,
    scores: Vec<Vec<u8>>,
}

/// What the suites need to know of a chunk's rows.
struct Seen {
    states: [bool; 2],
    title: (u32, u32), // the shortest and the longest, in characters
    published: (i64, i64),
    updated: (i64, i64),
    added: (i64, i64),
    cvss: [bool; 4],
    tenths: [bool; SCORES],
    ssvc: [[bool; 3]; 3],
    cwes: HashSet<Vec<u8>>,
    scorers: HashSet<Vec<u8>>,
    vectors: HashSet<Vec<u8>>,
    severities: HashSet<Vec<u8>>,
    ssvc_sources: HashSet<Vec<u8>>,
    product_sources: HashSet<Vec<u8>>,
    vendors: HashSet<Vec<u8>>,
}

impl Seen {
    fn new() -> Seen {
        let none = (i64::MAX, i64::MIN);
        Seen {
            states: [false; 2], title: (u32::MAX, 0), published: none, updated: none, added: none, cvss: [false; 4],
            tenths: [false; SCORES], ssvc: [[false; 3]; 3], cwes: HashSet::new(), scorers: HashSet::new(),
            vectors: HashSet::new(), severities: HashSet::new(), ssvc_sources: HashSet::new(),
            product_sources: HashSet::new(), vendors: HashSet::new(),
        }
    }
}

fn meet(known: &mut HashSet<Vec<u8>>, value: &[u8]) {
    if !known.contains(value) {
        known.insert(value.to_vec());
    }
}

fn widen(span: &mut (i64, i64), value: Option<i64>) {
    if let Some(value) = value {
        *span = (span.0.min(value), span.1.max(value));
    }
}

#[derive(Default)]
struct Output {
    tables: [Vec<u8>; 4],
    ids: Vec<u8>,
    taken: Vec<u8>, // a byte for each record: 1 when it was taken
    summary: Vec<u8>,
    title: Vec<u8>,
    who: Vec<u8>,
    json: Vec<u8>,
}

fn field(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

fn optional(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => field(out, value),
        None => out.extend_from_slice(&NULL),
    }
}

fn time(out: &mut Vec<u8>, value: Option<i64>) {
    match value {
        Some(value) => field(out, &value.to_be_bytes()),
        None => out.extend_from_slice(&NULL),
    }
}

/// The text itself, its escapes resolved. `Json::text` has checked them.
fn resolved(text: Text, out: &mut Vec<u8>) -> Sure<()> {
    out.clear();
    let mut rest = text.raw;
    while let Some(place) = rest.iter().position(|&byte| byte == b'\\') {
        out.extend_from_slice(&rest[..place]);
        let code = *rest.get(place + 1).ok_or(Unsure)?;
        rest = &rest[place + 2..];
        match code {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(10),
            b'r' => out.push(13),
            b't' => out.push(9),
            b'u' => {
                let found = char::from_u32(hexadecimal(rest.get(..4).ok_or(Unsure)?)?).ok_or(Unsure)?;
                out.extend_from_slice(found.encode_utf8(&mut [0; 4]).as_bytes());
                rest = &rest[4..];
            }
            plain => out.push(plain),
        }
    }
    out.extend_from_slice(rest);
    Ok(())
}

fn is_cisas(who: &[u8]) -> bool {
    who.len() >= 8 && who[..8].eq_ignore_ascii_case(b"adp:cisa")
}

impl Output {
    /// Add a record's rows. When it fails, what was added is taken away by the caller.
    fn add(&mut self, settings: &Settings, seen: &mut Seen, found: &Record, digest: &[u8]) -> Sure<()> {
        let state = found.state.ok_or(Unsure)?;
        let id = found.cve_id;
        let mut cwes: Vec<&[u8]> = Vec::new();
        let mut scores: Vec<(Vec<u8>, usize, Score, Option<i64>)> = Vec::new();
        let mut ssvc: Option<(Vec<u8>, [u8; 3], Option<i64>)> = None;
        let mut added: Option<i64> = None;
        let (mut entries, mut versions) = (0usize, 0usize);
        for (number, container) in std::iter::once(&found.cna).chain(&found.adp).enumerate() {
            let who = &mut self.who;
            who.clear();
            let first = if number == 0 { (b"cna:", container.name, found.assigner) } else {
                let title = if container.name.is_empty() { container.title } else { None };
                let title = title.map_or(Ok(&b""[..]), |title| {
                    let plain = title.raw.iter().all(|byte| (0x20..0x7f).contains(byte)) && title.raw.len() <= MAX_WHO;
                    require(!title.escaped && plain)?;
                    Ok(title.raw)
                })?;
                (b"adp:", container.name, title)
            };
            who.extend_from_slice(first.0);
            who.extend_from_slice(if !first.1.is_empty() { first.1 } else if !first.2.is_empty() { first.2 } else { b"unnamed" });
            cwes.extend_from_slice(&container.cwes);
            for metric in &container.metrics {
                for (place, score) in metric.scores.iter().enumerate() {
                    if let Some(score) = score {
                        let row = (who.clone(), place, *score, container.dated);
                        require(scores.len() < MAX_SCORES)?;
                        match scores.iter_mut().find(|old| old.1 == place && old.2.vector == score.vector && old.0 == row.0) {
                            Some(old) => *old = row,
                            None => scores.push(row),
                        }
                    }
                }
                match metric.other {
                    Some(Other::Kev { added: one }) => added = Some(added.map_or(one, |old| old.min(one))),
                    Some(Other::Ssvc { values, dated }) => {
                        if ssvc.as_ref().map_or(true, |old| is_cisas(who) || !is_cisas(&old.0)) {
                            ssvc = Some((who.clone(), values, dated));
                        }
                    }
                    None => {}
                }
            }
            versions += container.affected.iter().map(|entry| entry.versions.len()).sum::<usize>();
            require(versions <= MAX_VERSIONS && entries + container.affected.len() <= MAX_PRODUCTS)?;
            if state == 0 && !container.affected.is_empty() {
                self.products(settings, seen, id, &container.affected, entries);
            }
            entries += container.affected.len();
        }
        cwes.sort_unstable();
        cwes.dedup();

        let row = &mut self.tables[CVE];
        row.extend_from_slice(&settings.heads[CVE]);
        field(row, id);
        field(row, STATES[state as usize]);
        match found.cna.title {
            None => row.extend_from_slice(&NULL),
            Some(text) => {
                resolved(text, &mut self.title)?;
                field(row, &self.title);
                let length = self.title.iter().filter(|&&byte| byte & 0xc0 != 0x80).count() as u32;
                seen.title = (seen.title.0.min(length), seen.title.1.max(length));
            }
        }
        strings(row, &cwes);
        time(row, found.published);
        time(row, found.updated);
        field(row, b"cve5");
        field(row, &[added.is_some() as u8]);
        match added {
            Some(day) => field(row, &(day as i32).to_be_bytes()),
            None => row.extend_from_slice(&NULL),
        }
        row.extend_from_slice(&64u32.to_be_bytes());
        for byte in digest {
            row.push(b"0123456789abcdef"[(byte >> 4) as usize]);
            row.push(b"0123456789abcdef"[(byte & 15) as usize]);
        }
        row.extend_from_slice(&settings.tails[CVE]);

        let row = &mut self.tables[SCORE];
        for (who, place, score, dated) in &scores {
            row.extend_from_slice(&settings.heads[SCORE]);
            field(row, id);
            field(row, who);
            field(row, VERSIONS[*place]);
            field(row, score.vector);
            match score.tenths {
                Some(tenths) => row.extend_from_slice(&settings.scores[tenths as usize]),
                None => row.extend_from_slice(&NULL),
            }
            optional(row, score.severity);
            time(row, *dated);
            row.extend_from_slice(&settings.tails[SCORE]);
            seen.cvss[*place] = true;
            if let Some(tenths) = score.tenths {
                seen.tenths[tenths as usize] = true;
            }
            meet(&mut seen.scorers, who);
            meet(&mut seen.vectors, score.vector);
            if let Some(severity) = score.severity {
                meet(&mut seen.severities, severity);
            }
        }

        if let Some((who, values, dated)) = &ssvc {
            let row = &mut self.tables[SSVC];
            row.extend_from_slice(&settings.heads[SSVC]);
            field(row, id);
            field(row, EXPLOITATION[values[0] as usize]);
            field(row, AUTOMATABLE[values[1] as usize]);
            field(row, IMPACT[values[2] as usize]);
            time(row, *dated);
            field(row, who);
            row.extend_from_slice(&settings.tails[SSVC]);
            for (point, value) in values.iter().enumerate() {
                seen.ssvc[point][*value as usize] = true;
            }
            meet(&mut seen.ssvc_sources, who);
        }
        seen.states[state as usize] = true;
        widen(&mut seen.published, found.published);
        widen(&mut seen.updated, found.updated);
        widen(&mut seen.added, added);
        for cwe in cwes {
            meet(&mut seen.cwes, cwe);
        }
        self.ids.extend_from_slice(id);
        self.ids.push(b'\n');
        Ok(())
    }

    /// A row for the entries that stand together and name the same vendor.
    fn products(&mut self, settings: &Settings, seen: &mut Seen, id: &[u8], affected: &[Entry], before: usize) {
        meet(&mut seen.product_sources, &self.who);
        let mut start = 0;
        while start < affected.len() {
            let vendor = affected[start].vendor;
            let count = affected[start..].iter().take_while(|entry| entry.vendor == vendor).count();
            let json = &mut self.json;
            json.clear();
            for entry in &affected[start..start + count] {
                json.extend_from_slice(if json.is_empty() { b"[{" } else { b",{" });
                member(json, b"product", entry.product);
                member(json, b"package_name", entry.package);
                member(json, b"collection_url", entry.address);
                member(json, b"default_status", entry.default.map(|status| STATUSES[status as usize]));
                json.extend_from_slice(b"\"versions\":[");
                for version in &entry.versions {
                    written(json, version);
                }
                closed(json, b"]}");
            }
            json.push(b']');
            let row = &mut self.tables[PRODUCT];
            row.extend_from_slice(&settings.heads[PRODUCT]);
            field(row, id);
            field(row, &((before + start) as u16).to_be_bytes());
            field(row, &self.who);
            optional(row, vendor);
            field(row, &self.json);
            row.extend_from_slice(&settings.tails[PRODUCT]);
            if let Some(vendor) = vendor {
                meet(&mut seen.vendors, vendor);
            }
            start += count;
        }
    }

    fn lengths(&self) -> [usize; 7] {
        [self.tables[0].len(), self.tables[1].len(), self.tables[2].len(), self.tables[3].len(), self.ids.len(), 0, 0]
    }

    fn cut(&mut self, lengths: [usize; 7]) {
        for (table, length) in self.tables.iter_mut().zip(lengths) {
            table.truncate(length);
        }
        self.ids.truncate(lengths[4]);
    }
}

fn strings(row: &mut Vec<u8>, values: &[&[u8]]) {
    let size = 12 + if values.is_empty() { 0 } else { 8 + values.iter().map(|value| 4 + value.len()).sum::<usize>() };
    row.extend_from_slice(&(size as u32).to_be_bytes());
    for number in [!values.is_empty() as u32, 0, 25] {
        row.extend_from_slice(&number.to_be_bytes());
    }
    if !values.is_empty() {
        row.extend_from_slice(&(values.len() as u32).to_be_bytes());
        row.extend_from_slice(&1u32.to_be_bytes());
    }
    for value in values {
        field(row, value);
    }
}

/// A member of an object and a comma.
fn member(json: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    if let Some(value) = value {
        json.push(b'"');
        json.extend_from_slice(key);
        json.extend_from_slice(b"\":\"");
        json.extend_from_slice(value);
        json.extend_from_slice(b"\",");
    }
}

/// The end in place of a comma, if there is one.
fn closed(json: &mut Vec<u8>, end: &[u8]) {
    if json.last() == Some(&b',') {
        json.pop();
    }
    json.extend_from_slice(end);
}

fn written(json: &mut Vec<u8>, version: &Version) {
    json.push(b'{');
    member(json, b"version", Some(version.version));
    member(json, b"status", version.status.map(|status| STATUSES[status as usize]));
    for (key, value) in [&b"lessThan"[..], b"lessThanOrEqual", b"versionType"].iter().zip(version.bounds) {
        member(json, key, value);
    }
    if !version.changes.is_empty() {
        json.extend_from_slice(b"\"changes\":[");
        for (at, status) in &version.changes {
            json.push(b'{');
            member(json, b"at", Some(at));
            member(json, b"status", Some(STATUSES[*status as usize]));
            closed(json, b"},");
        }
        closed(json, b"]");
    }
    closed(json, b"},");
}

// The caller's side ---------------------------------------------------------------------------------------------------------

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

impl Seen {
    fn sets(&self) -> [&HashSet<Vec<u8>>; 7] {
        [
            &self.cwes, &self.scorers, &self.vectors, &self.severities, &self.ssvc_sources, &self.product_sources,
            &self.vendors,
        ]
    }

    /// Least first: six times, two lengths; then a byte for each value of a known list; then the distinct texts, each list with
    /// their number before it.
    fn summarise(&self, out: &mut Vec<u8>) {
        for span in [self.published, self.updated, self.added] {
            out.extend_from_slice(&span.0.to_le_bytes());
            out.extend_from_slice(&span.1.to_le_bytes());
        }
        out.extend_from_slice(&self.title.0.to_le_bytes());
        out.extend_from_slice(&self.title.1.to_le_bytes());
        out.extend(self.states.iter().chain(&self.cvss).chain(&self.tenths).chain(self.ssvc.iter().flatten()).map(|&met| met as u8));
        for set in self.sets() {
            out.extend_from_slice(&(set.len() as u32).to_le_bytes());
            for value in set {
                out.extend_from_slice(&(value.len() as u32).to_le_bytes());
                out.extend_from_slice(value);
            }
        }
    }
}
