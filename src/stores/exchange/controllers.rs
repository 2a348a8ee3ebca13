//! Which domain controller answers: one for each domain, the same one as long as it lives.
//!
//! A write on one controller reaches the others after a while. Reading elsewhere in between shows the old state, which
//! would look like somebody's change.

use std::collections::{BTreeMap, BTreeSet};

use crate::psrp::Value;

/// A controller, as the server described it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Controller {
    /// Its full name.
    pub(super) name: String,
    /// Its domain, in small letters.
    pub(super) domain: String,
    /// The name of its site, without a path.
    pub(super) site: String,
}

impl Controller {
    /// Reads an object of `Get-DomainController`.
    pub(super) fn read(value: &Value) -> Option<Self> {
        let text = |names: [&str; 2]| {
            names
                .into_iter()
                .find_map(|name| value.member(name).and_then(Value::text))
                .filter(|text| !text.is_empty())
        };
        let name = text(["DnsHostName", "Fqdn"])?;
        let domain = text(["Domain", "DomainName"]).or_else(|| domain_of(&name))?;
        let site = text(["ADSite", "ServerSite"]).unwrap_or_default();
        Some(Self { domain: dns(&domain), site: local_name(&site), name })
    }
}

/// Returns the last part of a path such as `contoso.example/Configuration/Sites/Taipei`.
pub(super) fn local_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}

/// Returns the controllers of a domain that a server of this site reads from. `own` is the one that is written on: it is
/// all there is of a domain with a single one, wherever that stands. None where nobody can tell.
pub(super) fn those_of_site(known: &[Controller], domain: &str, site: &str, own: &str) -> Vec<String> {
    let all = || known.iter().filter(|controller| controller.domain == domain);
    let here = all().filter(|controller| controller.site.eq_ignore_ascii_case(site));
    let mut names: Vec<String> = here.map(|controller| controller.name.clone()).collect();
    if names.is_empty() && all().all(|controller| controller.name.eq_ignore_ascii_case(own)) {
        names.push(own.to_owned());
    }
    names
}

/// What the server says of itself with `Get-ADServerSettings`: the controllers it would take, the best first.
pub(super) fn preferred(value: &Value) -> Vec<String> {
    let mut names = Vec::new();
    for list in ["UserPreferredDomainControllers", "DefaultPreferredDomainControllers"] {
        names.extend(value.member(list).map(Value::items).unwrap_or_default().iter().filter_map(Value::text));
    }
    names.extend(value.member("DefaultGlobalCatalog").and_then(Value::text));
    names
}

/// Chooses one controller for each domain in scope: the one remembered, else the server's own choice, else the first by
/// name in the site of that choice, else the first by name. Controllers to avoid come last.
pub(super) fn choose(
    known: &[Controller],
    preferred: &[String],
    forest: bool,
    remembered: &BTreeMap<String, String>,
    avoid: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let same = |a: &str, b: &str| a.eq_ignore_ascii_case(b);
    let find = |name: &str| known.iter().find(|controller| same(&controller.name, name));
    let home = preferred.iter().find_map(|name| {
        find(name)
            .map(|controller| controller.domain.clone())
            .or_else(|| domain_of(name).map(|domain| dns(&domain)))
    });
    let site = preferred.iter().find_map(|name| Some(find(name)?.site.clone())).unwrap_or_default();
    let mut domains: BTreeSet<String> = home.iter().cloned().collect();
    if forest {
        domains.extend(known.iter().map(|controller| controller.domain.clone()));
    }
    let mut chosen = BTreeMap::new();
    for domain in domains {
        let mut candidates: Vec<&Controller> =
            known.iter().filter(|controller| controller.domain == domain).collect();
        candidates.sort_by_key(|controller| {
            let name = controller.name.as_str();
            (
                avoid.iter().any(|avoided| same(avoided, name)),
                !remembered.get(&domain).is_some_and(|before| same(before, name)),
                !preferred.iter().any(|wanted| same(wanted, name)),
                controller.site != site,
                name.to_ascii_lowercase(),
            )
        });
        let own = || preferred.iter().find(|name| domain_of(name).is_some_and(|of| dns(&of) == domain));
        let name = candidates.first().map(|controller| &controller.name).or_else(own);
        chosen.extend(name.map(|name| (domain, name.clone())));
    }
    chosen
}

fn domain_of(controller: &str) -> Option<String> {
    controller.split_once('.').map(|(_, domain)| domain.to_owned())
}

/// A domain's name as it is compared.
fn dns(domain: &str) -> String {
    domain.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<Controller> {
        [
            ("dc01", "a.example", "S1"),
            ("dc02", "a.example", "S1"),
            ("dc03", "b.example", "S2"),
            ("dc00", "b.example", "S3"),
        ]
        .map(|(name, domain, site)| Controller {
            name: format!("{name}.{domain}"),
            domain: domain.to_owned(),
            site: site.to_owned(),
        })
        .to_vec()
    }

    fn map<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
        pairs.map(|(domain, name)| (domain.to_owned(), name.to_owned())).into()
    }

    #[test]
    fn the_servers_own_choice_counts_until_another_one_is_remembered() {
        let preferred = ["dc02.a.example".to_owned()];
        let none = BTreeSet::new();
        let choose =
            |forest, remembered: &BTreeMap<_, _>| choose(&known(), &preferred, forest, remembered, &none);
        assert_eq!(choose(false, &BTreeMap::new()), map([("a.example", "dc02.a.example")]));
        let remembered = map([("a.example", "DC01.a.example"), ("b.example", "gone.b.example")]);
        assert_eq!(choose(false, &remembered), map([("a.example", "dc01.a.example")]));
        assert_eq!(
            choose(true, &remembered),
            map([("a.example", "dc01.a.example"), ("b.example", "dc00.b.example")])
        );
    }

    #[test]
    fn a_server_reads_from_the_controllers_of_its_site() {
        let of = |domain, site, own| those_of_site(&known(), domain, site, own);
        assert_eq!(of("a.example", "s1", "dc01.a.example"), ["dc01.a.example", "dc02.a.example"]);
        assert_eq!(of("b.example", "S2", "dc00.b.example"), ["dc03.b.example"]);
        assert!(of("a.example", "S2", "dc01.a.example").is_empty(), "its controllers all stand elsewhere");
        let only = [known()[0].clone()];
        assert_eq!(those_of_site(&only, "a.example", "S9", "DC01.a.example"), ["DC01.a.example"]);
        assert_eq!(those_of_site(&[], "a.example", "S9", "dc01.a.example"), ["dc01.a.example"]);
    }

    #[test]
    fn a_controller_that_failed_is_taken_only_when_there_is_no_other() {
        let preferred = ["dc02.a.example".to_owned()];
        let avoid = BTreeSet::from(["dc02.a.example".to_owned()]);
        let chosen = choose(&known(), &preferred, false, &BTreeMap::new(), &avoid);
        assert_eq!(chosen, map([("a.example", "dc01.a.example")]));
        assert_eq!(
            choose(&[], &preferred, false, &BTreeMap::new(), &avoid),
            map([("a.example", "dc02.a.example")])
        );
        assert_eq!(choose(&[], &[], true, &BTreeMap::new(), &avoid), BTreeMap::new());
    }
}
