//! What of a CVE record 5.x goes into rows, by the format's own names. Everything else is looked at and passed over.

use crate::json::{require, Json, Sure, Text, Unsure};
use crate::times::{day, number, optional_moment};

const MAX_CONTAINERS: usize = 100;
const MAX_METRICS: usize = 100; // of a container
pub const MAX_PRODUCTS: usize = 1000;
pub const MAX_VERSIONS: usize = 10_000;
pub const MAX_WHO: usize = 200;
const MAX_VECTOR: usize = 500;
pub const SCORES: usize = 101; // 0.0 to 10.0 in tenths

pub const STATUSES: [&[u8]; 3] = [b"affected", b"unaffected", b"unknown"];
pub const VERSIONS: [&[u8]; 4] = [b"4.0", b"3.1", b"3.0", b"2.0"];
pub const EXPLOITATION: [&[u8]; 3] = [b"none", b"poc", b"active"];
pub const AUTOMATABLE: [&[u8]; 2] = [b"yes", b"no"];
pub const IMPACT: [&[u8]; 2] = [b"partial", b"total"];
pub const STATES: [&[u8]; 2] = [b"PUBLISHED", b"REJECTED"];

#[derive(Default)]
pub struct Record<'a> {
    pub kind: &'a [u8],
    pub version: &'a [u8],
    pub cve_id: &'a [u8],
    pub state: Option<u8>,
    pub assigner: &'a [u8],
    pub published: Option<i64>,
    pub updated: Option<i64>,
    pub has_cna: bool,
    pub cna: Container<'a>,
    pub adp: Vec<Container<'a>>,
}

#[derive(Default)]
pub struct Container<'a> {
    pub name: &'a [u8],
    pub dated: Option<i64>,
    pub title: Option<Text<'a>>,
    pub cwes: Vec<&'a [u8]>,
    pub metrics: Vec<Metric<'a>>,
    pub affected: Vec<Entry<'a>>,
}

#[derive(Default)]
pub struct Metric<'a> {
    pub scores: [Option<Score<'a>>; 4], // in the order of VERSIONS
    pub other: Option<Other>,
}

#[derive(Clone, Copy, Default)]
pub struct Score<'a> {
    pub vector: &'a [u8],
    pub tenths: Option<u8>,
    pub severity: Option<&'a [u8]>,
}

#[derive(Clone, Copy)]
pub enum Other {
    Ssvc { values: [u8; 3], dated: Option<i64> },
    Kev { added: i64 },
}

#[derive(Default)]
pub struct Entry<'a> {
    pub vendor: Option<&'a [u8]>,
    pub product: Option<&'a [u8]>,
    pub package: Option<&'a [u8]>,
    pub address: Option<&'a [u8]>,
    pub default: Option<u8>,
    pub versions: Vec<Version<'a>>,
}

#[derive(Default)]
pub struct Version<'a> {
    pub version: &'a [u8],
    pub status: Option<u8>,
    pub bounds: [Option<&'a [u8]>; 3], // lessThan, lessThanOrEqual, versionType
    pub changes: Vec<(&'a [u8], u8)>,
}

pub fn record<'a>(json: &mut Json<'a>) -> Sure<Record<'a>> {
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
pub fn is_id(text: &[u8]) -> bool {
    text.len() >= 13 && text.len() <= 28 && text.starts_with(b"CVE-") && text[8] == b'-'
        && text[4..8].iter().chain(&text[9..]).all(u8::is_ascii_digit)
}

pub fn metadata<'a>(json: &mut Json<'a>, found: &mut Record<'a>) -> Sure<()> {
    json.object(|json, key| match key {
        b"cveId" => Ok(found.cve_id = json.plain(40)?),
        b"state" => Ok(found.state = Some(json.one_of(&STATES)?)),
        b"assignerShortName" => Ok(found.assigner = json.plain(MAX_WHO)?),
        b"datePublished" => Ok(found.published = optional_moment(json)?),
        b"dateUpdated" => Ok(found.updated = optional_moment(json)?),
        _ => json.skip(),
    })
}

pub fn container<'a>(json: &mut Json<'a>) -> Sure<Container<'a>> {
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

pub fn metric<'a>(json: &mut Json<'a>) -> Sure<Metric<'a>> {
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

pub fn score<'a>(json: &mut Json<'a>) -> Sure<Option<Score<'a>>> {
    if json.null()? {
        return Ok(None);
    }
    let mut found = Score::default();
    json.object(|json, key| match key {
        b"vectorString" => Ok(found.vector = json.plain(MAX_VECTOR)?),
        b"baseScore" if !json.null()? => Ok(found.tenths = Some(tenths(json.number()?)?)),
        b"baseScore" => Ok(()),
        b"baseSeverity" if !json.null()? => Ok(found.severity = Some(json.plain(100)?)),
        b"baseSeverity" => Ok(()),
        _ => json.skip(),
    })?;
    require(!found.vector.is_empty() || found.tenths.is_some())?;
    Ok(Some(found))
}

pub fn tenths(text: &[u8]) -> Sure<u8> {
    let (whole, tenth) = match text {
        [whole @ .., b'.', tenth] => (whole, (tenth - b'0') as i64),
        whole => (whole, 0),
    };
    require(!whole.is_empty() && whole.len() <= 2)?;
    let found = number(whole)? * 10 + tenth;
    require(found < SCORES as i64)?;
    Ok(found as u8)
}

pub fn other(json: &mut Json) -> Sure<Other> {
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
pub struct Content {
    pub values: [Option<u8>; 3],
    pub stamp: Option<i64>,
    pub added: Option<i64>,
}

impl Content {
    pub fn read(json: &mut Json) -> Sure<Content> {
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

pub fn entry<'a>(json: &mut Json<'a>) -> Sure<Entry<'a>> {
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

pub fn version<'a>(json: &mut Json<'a>) -> Sure<Version<'a>> {
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
