//! What an independent engine (psrpcore 0.3.1) wrote, and what is made of it. `golden/make.py` says how.

use super::*;

const POOL: &[u8] = include_bytes!("../golden/pool_opened.bin");
const PIPELINE: &[u8] = include_bytes!("../golden/pipeline.bin");

fn heard(bytes: &[u8], cut: usize) -> Result<(Vec<Value>, Heard), ConversationError> {
    let (mut output, mut heard) = (Vec::new(), Heard::up_to(9));
    for piece in bytes.chunks(cut) {
        heard.hear(piece, &mut |value| output.push(value))?;
    }
    Ok((output, heard))
}

#[test]
fn a_pool_of_somebody_else_opens() {
    let mut pool = Pool::new(Uuid::new_v4());
    pool.hear(POOL).unwrap();
    assert_eq!(pool.state, PoolState::Open);
}

#[test]
fn a_pipeline_of_somebody_else_is_understood_however_it_is_cut() {
    for cut in [1, 7, 700, PIPELINE.len()] {
        let (output, heard) = heard(PIPELINE, cut).unwrap();
        let [list, text] = &output[..] else { panic!("{output:?}") };
        let [first, again] = list.items() else { panic!("{list:?}") };
        assert_eq!(first, again, "a reference is what it refers to");
        let member = |name: &str| first.member(name).unwrap();
        assert_eq!(member("name").text().unwrap(), "Zoë _x000A_ <&> 😀\n");
        assert_eq!(member("Guid").guid().unwrap().to_string(), "0f8fad5b-d9cb-469f-a165-70867728950e");
        assert_eq!((member("PopEnabled").truth(), member("Count").number()), (Some(true), Some(3)));
        assert_eq!((member("Big"), member("Nothing")), (&Value::Big(u64::MAX), &Value::Nil));
        assert_eq!((member("Mime").text().as_deref(), member("Mime").number()), (Some("Default"), Some(0)));
        assert_eq!(member("Addresses").items(), ["SMTP:a@x".into(), Value::from("smtp:b@x")]);
        let Value::Object(table) = member("Table") else { panic!() };
        assert_eq!(table.inner, Value::Map(vec![("a".into(), 1.into())]));
        assert_eq!(*text, "text".into());
        let [error] = &heard.errors[..] else { panic!("{heard:?}") };
        assert!(
            error.is("ManagementObjectNotFoundException") && error.message.contains("object 'X'"),
            "{error:?}"
        );
        assert_eq!(heard.warnings.len(), 1);
        assert_eq!(heard.end, Some(End::Completed));
    }
}

#[test]
fn output_without_end_is_cut_off() {
    let mut heard = Heard::up_to(1);
    let mut count = 0;
    let said = heard.hear(PIPELINE, &mut |_| count += 1);
    assert!(matches!(said, Err(ConversationError::Output(1))) && count == 1, "{said:?}");
}

#[test]
fn damage_at_any_byte_is_an_error_or_another_answer_but_no_panic() {
    for at in 0..PIPELINE.len() {
        for bit in [1, 0x80] {
            let mut bytes = PIPELINE.to_vec();
            bytes[at] ^= bit;
            drop(heard(&bytes, 700));
        }
        drop(heard(&PIPELINE[..at], 700));
    }
}
