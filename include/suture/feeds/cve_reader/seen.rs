//! What the suites need to know of the rows of many records: distinct values, or the least and the greatest.

use std::collections::HashSet;

use crate::record::SCORES;

pub const MAX_DISTINCT: usize = 4096; // of a chunk's values of one column; more of them: the chunk is Python's

/// What the suites need to know of a chunk's rows.
pub struct Seen {
    pub states: [bool; 2],
    pub title: (u32, u32), // the shortest and the longest, in characters
    pub published: (i64, i64),
    pub updated: (i64, i64),
    pub added: (i64, i64),
    pub cvss: [bool; 4],
    pub tenths: [bool; SCORES],
    pub ssvc: [[bool; 3]; 3],
    pub cwes: HashSet<Vec<u8>>,
    pub scorers: HashSet<Vec<u8>>,
    pub vectors: HashSet<Vec<u8>>,
    pub severities: HashSet<Vec<u8>>,
    pub ssvc_sources: HashSet<Vec<u8>>,
    pub product_sources: HashSet<Vec<u8>>,
    pub vendors: HashSet<Vec<u8>>,
}

impl Seen {
    pub fn new() -> Seen {
        let none = (i64::MAX, i64::MIN);
        Seen {
            states: [false; 2], title: (u32::MAX, 0), published: none, updated: none, added: none, cvss: [false; 4],
            tenths: [false; SCORES], ssvc: [[false; 3]; 3], cwes: HashSet::new(), scorers: HashSet::new(),
            vectors: HashSet::new(), severities: HashSet::new(), ssvc_sources: HashSet::new(),
            product_sources: HashSet::new(), vendors: HashSet::new(),
        }
    }

    pub fn sets(&self) -> [&HashSet<Vec<u8>>; 7] {
        [
            &self.cwes, &self.scorers, &self.vectors, &self.severities, &self.ssvc_sources, &self.product_sources,
            &self.vendors,
        ]
    }

    /// Least first: six times, two lengths; then a byte for each value of a known list; then the distinct texts, each list with
    /// their number before it.
    pub fn summarise(&self, out: &mut Vec<u8>) {
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

pub fn meet(known: &mut HashSet<Vec<u8>>, value: &[u8]) {
    if !known.contains(value) {
        known.insert(value.to_vec());
    }
}

pub fn widen(span: &mut (i64, i64), value: Option<i64>) {
    if let Some(value) = value {
        *span = (span.0.min(value), span.1.max(value));
    }
}
