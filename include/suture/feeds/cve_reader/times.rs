//! Dates and times of RFC 3339 as PostgreSQL counts them, and as its binary format has them.

use crate::json::{require, Json, Sure, Unsure};

pub fn number(digits: &[u8]) -> Sure<i64> {
    digits.iter().try_fold(0, |value, &digit| {
        require(digit.is_ascii_digit())?;
        Ok(value * 10 + (digit - b'0') as i64)
    })
}

/// Days since 2000-01-01 of YYYY-MM-DD (the days of the civil calendar, counted from 1 March).
pub fn day(text: &[u8]) -> Sure<i64> {
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
pub fn moment(text: &[u8]) -> Sure<i64> {
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

pub fn optional_moment(json: &mut Json) -> Sure<Option<i64>> {
    if json.null()? {
        return Ok(None);
    }
    moment(json.plain(40)?).map(Some)
}
