//! Rows of `cve`, `cve_score`, `cve_ssvc` and `cve_product` in PostgreSQL's binary COPY format.

use crate::json::{hexadecimal, require, Sure, Text, Unsure};
use crate::record::*;
use crate::seen::{meet, widen, Seen};

const MAX_SCORES: usize = 200; // of a record: each is compared with those before it

pub const NULL: [u8; 4] = [0xff; 4];
pub const CVE: usize = 0;
pub const SCORE: usize = 1;
pub const SSVC: usize = 2;
pub const PRODUCT: usize = 3;

/// What the caller says once: for each table what stands before and after a row's own fields, and each score as `numeric`.
#[derive(Default)]
pub struct Settings {
    pub heads: Vec<Vec<u8>>,
    pub tails: Vec<Vec<u8>>,
    pub scores: Vec<Vec<u8>>,
}

#[derive(Default)]
pub struct Output {
    pub tables: [Vec<u8>; 4],
    pub ids: Vec<u8>,
    pub taken: Vec<u8>, // a byte for each record: 1 when it was taken
    pub summary: Vec<u8>,
    pub title: Vec<u8>,
    pub who: Vec<u8>,
    pub json: Vec<u8>,
}

pub fn field(out: &mut Vec<u8>, value: &[u8]) {
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

pub fn optional(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value {
        Some(value) => field(out, value),
        None => out.extend_from_slice(&NULL),
    }
}

pub fn time(out: &mut Vec<u8>, value: Option<i64>) {
    match value {
        Some(value) => field(out, &value.to_be_bytes()),
        None => out.extend_from_slice(&NULL),
    }
}

/// The text itself, its escapes resolved. `Json::text` has checked them.
pub fn resolved(text: Text, out: &mut Vec<u8>) -> Sure<()> {
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

pub fn is_cisas(who: &[u8]) -> bool {
    who.len() >= 8 && who[..8].eq_ignore_ascii_case(b"adp:cisa")
}

impl Output {
    /// Add a record's rows. When it fails, what was added is taken away by the caller.
    pub fn add(&mut self, settings: &Settings, seen: &mut Seen, found: &Record, digest: &[u8]) -> Sure<()> {
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
    pub fn products(&mut self, settings: &Settings, seen: &mut Seen, id: &[u8], affected: &[Entry], before: usize) {
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

    pub fn lengths(&self) -> [usize; 7] {
        [self.tables[0].len(), self.tables[1].len(), self.tables[2].len(), self.tables[3].len(), self.ids.len(), 0, 0]
    }

    pub fn cut(&mut self, lengths: [usize; 7]) {
        for (table, length) in self.tables.iter_mut().zip(lengths) {
            table.truncate(length);
        }
        self.ids.truncate(lengths[4]);
    }
}

pub fn strings(row: &mut Vec<u8>, values: &[&[u8]]) {
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
pub fn member(json: &mut Vec<u8>, key: &[u8], value: Option<&[u8]>) {
    if let Some(value) = value {
        json.push(b'"');
        json.extend_from_slice(key);
        json.extend_from_slice(b"\":\"");
        json.extend_from_slice(value);
        json.extend_from_slice(b"\",");
    }
}

/// The end in place of a comma, if there is one.
pub fn closed(json: &mut Vec<u8>, end: &[u8]) {
    if json.last() == Some(&b',') {
        json.pop();
    }
    json.extend_from_slice(end);
}

pub fn written(json: &mut Vec<u8>, version: &Version) {
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
