//! The people and goods of the demo shop, a small coffee roaster in Utrecht.

/// Its name.
pub(super) const NAME: &str = "Koffiebranderij De Zwaluw";
/// Who can sign in as a customer.
pub(super) const MEMBER: &str = "anna.devries@example.nl";
/// Who has the plan.
pub(super) const PLUS_MEMBER: &str = "bram.jansen@example.nl";
/// Who orders as much without it.
pub(super) const NO_MEMBER: &str = "carla.bakker@example.nl";
/// The plan.
pub(super) const PLAN: &str = "plus";
/// Cents that shipping costs.
pub(super) const SHIPPING: i64 = 495;
/// How orders are shipped.
pub(super) const POST: &str = "post";
/// Who can sign in as staff.
pub(super) const OWNER: &str = "eva@dezwaluw.example";

/// Something it sells.
pub(super) struct Good {
    pub(super) sku: &'static str,
    pub(super) name: &'static str,
    pub(super) category: &'static str,
    /// Cents, tax included.
    pub(super) price: i64,
    /// Ten-thousandths: food is taxed at 9 % in the Netherlands, the rest at 21 %.
    pub(super) tax: i32,
}

const fn food(sku: &'static str, name: &'static str, category: &'static str, price: i64) -> Good {
    Good { sku, name, category, price, tax: 900 }
}

const fn ware(sku: &'static str, name: &'static str, category: &'static str, price: i64) -> Good {
    Good { sku, name, category, price, tax: 2_100 }
}

/// What it sells.
pub(super) const GOODS: [Good; 14] = [
    food("KOF-ETH-250", "Ethiopië Yirgacheffe, 250 g", "koffie", 995),
    food("KOF-COL-250", "Colombia Huila, 250 g", "koffie", 895),
    food("KOF-HUI-1000", "Huisblend De Zwaluw, 1 kg", "koffie", 2495),
    food("KOF-ESP-1000", "Espresso Domtoren, 1 kg", "koffie", 2695),
    food("KOF-DEC-250", "Cafeïnevrij Zachte Landing, 250 g", "koffie", 945),
    food("THE-EAR-100", "Earl Grey, 100 g", "thee", 745),
    food("THE-MUN-075", "Verse muntmelange, 75 g", "thee", 595),
    food("LEK-STR-012", "Stroopwafels, 12 stuks", "lekkers", 650),
    food("LEK-HAG-200", "Pure chocolade met zeezout, 200 g", "lekkers", 525),
    ware("ZET-FRP-001", "French press, 1 l", "zetten", 3995),
    ware("ZET-V60-001", "Filterhouder V60, keramiek", "zetten", 2450),
    ware("ZET-FIL-100", "Papieren filters, 100 stuks", "zetten", 495),
    ware("MAL-HAN-001", "Handmolen, roestvrij staal", "malen", 8950),
    ware("KOP-ZWA-002", "Twee kopjes met zwaluw", "servies", 1890),
];

/// A tier of its members.
pub(super) struct Rung {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    /// Points of the last twelve months.
    pub(super) points: i64,
    pub(super) benefit: &'static str,
}

/// The tiers of its members.
pub(super) const TIERS: [Rung; 2] = [
    Rung { code: "vriend", name: "Vriend", points: 150, benefit: "Elke maand een proefzakje" },
    Rung {
        code: "stamgast",
        name: "Stamgast",
        points: 500,
        benefit: "Elke maand een proefzakje en gratis malen",
    },
];

/// Who buys there: name and mailbox.
pub(super) const PEOPLE: [(&str, &str); 48] = [
    ("Anna de Vries", MEMBER),
    ("Bram Jansen", "bram.jansen@example.nl"),
    ("Carla Bakker", "carla.bakker@example.nl"),
    ("Daan Visser", "daan.visser@example.nl"),
    ("Emma Smit", "emma.smit@example.nl"),
    ("Finn Meijer", "finn.meijer@example.nl"),
    ("Gerda de Boer", "gerda.deboer@example.nl"),
    ("Hassan El Amrani", "hassan.elamrani@example.nl"),
    ("Ilse Mulder", "ilse.mulder@example.nl"),
    ("Joost de Groot", "joost.degroot@example.nl"),
    ("Kim Bos", "kim.bos@example.nl"),
    ("Lars Vos", "lars.vos@example.nl"),
    ("Maartje Peters", "maartje.peters@example.nl"),
    ("Noor Hendriks", "noor.hendriks@example.nl"),
    ("Olaf van Leeuwen", "olaf.vanleeuwen@example.nl"),
    ("Petra Dekker", "petra.dekker@example.nl"),
    ("Quinten Brouwer", "quinten.brouwer@example.nl"),
    ("Ruth de Wit", "ruth.dewit@example.nl"),
    ("Sanne Dijkstra", "sanne.dijkstra@example.nl"),
    ("Tim Smits", "tim.smits@example.nl"),
    ("Ursula de Graaf", "ursula.degraaf@example.nl"),
    ("Vera van der Meer", "vera.vandermeer@example.nl"),
    ("Willem van Dijk", "willem.vandijk@example.nl"),
    ("Xander Kok", "xander.kok@example.nl"),
    ("Yara Jacobs", "yara.jacobs@example.nl"),
    ("Zeynep Yilmaz", "zeynep.yilmaz@example.nl"),
    ("Arjan de Haan", "arjan.dehaan@example.nl"),
    ("Britt Vermeulen", "britt.vermeulen@example.nl"),
    ("Cor van den Berg", "cor.vandenberg@example.nl"),
    ("Doutzen Hoekstra", "doutzen.hoekstra@example.nl"),
    ("Eline Schouten", "eline.schouten@example.nl"),
    ("Frits Willems", "frits.willems@example.nl"),
    ("Guusje Prins", "guusje.prins@example.nl"),
    ("Henk Blom", "henk.blom@example.nl"),
    ("Iris Huisman", "iris.huisman@example.nl"),
    ("Jeroen Peeters", "jeroen.peeters@example.nl"),
    ("Karin de Jong", "karin.dejong@example.nl"),
    ("Levi Kuipers", "levi.kuipers@example.nl"),
    ("Mila van Vliet", "mila.vanvliet@example.nl"),
    ("Niels Post", "niels.post@example.nl"),
    ("Ot Kuiper", "ot.kuiper@example.nl"),
    ("Pleun Veenstra", "pleun.veenstra@example.nl"),
    ("Rachid Bensaïd", "rachid.bensaid@example.nl"),
    ("Saskia Kramer", "saskia.kramer@example.nl"),
    ("Thijs Scholten", "thijs.scholten@example.nl"),
    ("Usha Ramdin", "usha.ramdin@example.nl"),
    ("Vincent Postma", "vincent.postma@example.nl"),
    ("Wietske Martens", "wietske.martens@example.nl"),
];
