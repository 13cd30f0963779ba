//! JSON (RFC 8259) from strangers, more strictly than it asks for: no key twice in an object, few of them, little nesting.

const MAX_DEPTH: u32 = 50; // the strict reader allows 60
const MAX_KEYS: usize = 100; // of one object: each new key is compared with those before it
const MAX_KEY: usize = 100; // bytes of one
const MAX_NAME: usize = 500;

/// The record is left to Python.
pub struct Unsure;
pub type Sure<T> = Result<T, Unsure>;

pub fn require(sure: bool) -> Sure<()> {
    if sure { Ok(()) } else { Err(Unsure) }
}

/// A text as it stands between its quotes. `escaped`: it holds a backslash.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    pub raw: &'a [u8],
    pub escaped: bool,
}

pub struct Json<'a> {
    pub raw: &'a [u8],
    pub at: usize,
    pub depth: u32,
    pub keys: Vec<(u64, &'a [u8])>, // of the objects that are open, each with its first eight bytes
}

pub const ONES: u64 = 0x0101_0101_0101_0101;
pub const HIGHS: u64 = 0x8080_8080_8080_8080;

/// A high bit in each byte that ends or interrupts a text: a quote, a backslash, a control character. Exact in the lowest
/// such byte, which is the one that counts.
pub fn special(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let slash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    ((quote.wrapping_sub(ONES) & !quote) | (slash.wrapping_sub(ONES) & !slash) | control) & HIGHS
}

impl<'a> Json<'a> {
    pub fn blank(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.raw.get(self.at) {
            self.at += 1;
        }
    }

    pub fn peek(&mut self) -> Sure<u8> {
        self.blank();
        self.raw.get(self.at).copied().ok_or(Unsure)
    }

    pub fn take(&mut self, byte: u8) -> Sure<()> {
        require(self.peek()? == byte)?;
        self.at += 1;
        Ok(())
    }

    pub fn text(&mut self) -> Sure<Text<'a>> {
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

    pub fn escape(&mut self) -> Sure<()> {
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
    pub fn object<F: FnMut(&mut Self, &'a [u8]) -> Sure<()>>(&mut self, mut member: F) -> Sure<()> {
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
    pub fn note(&mut self, first: usize, key: &'a [u8]) -> Sure<()> {
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

    pub fn array<F: FnMut(&mut Self) -> Sure<()>>(&mut self, mut item: F) -> Sure<()> {
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

    pub fn word(&mut self, word: &[u8]) -> Sure<()> {
        require(self.raw[self.at..].starts_with(word))?;
        self.at += word.len();
        Ok(())
    }

    /// True and past it when a null comes.
    pub fn null(&mut self) -> Sure<bool> {
        let found = self.peek()? == b'n';
        if found {
            self.word(b"null")?;
        }
        Ok(found)
    }

    /// A number without an exponent and of at most 18 characters.
    pub fn number(&mut self) -> Sure<&'a [u8]> {
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

    pub fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.raw.get(self.at), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    /// Any value, all of it looked at.
    pub fn skip(&mut self) -> Sure<()> {
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

    /// A text of printable ASCII without escapes, at most so long.
    pub fn plain(&mut self, most: usize) -> Sure<&'a [u8]> {
        let text = self.text()?;
        require(!text.escaped && text.raw.len() <= most && text.raw.iter().all(|byte| (0x20..0x7f).contains(byte)))?;
        Ok(text.raw)
    }

    /// A name as it is kept: one line, nothing to trim, not empty. None: null.
    pub fn name(&mut self) -> Sure<Option<&'a [u8]>> {
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

    /// One of these texts, as its place among them.
    pub fn one_of(&mut self, known: &[&[u8]]) -> Sure<u8> {
        let text = self.text()?;
        known.iter().position(|&one| one == text.raw).map(|place| place as u8).ok_or(Unsure)
    }
}

pub fn hexadecimal(digits: &[u8]) -> Sure<u32> {
    digits.iter().try_fold(0, |code, &digit| Ok(code << 4 | (digit as char).to_digit(16).ok_or(Unsure)?))
}
