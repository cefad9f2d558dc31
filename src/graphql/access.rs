//! Who may call what: one table, from which the guards, the texts in the descriptions and the test that tries every
//! operation as every caller all come.

use async_graphql::{Context, ErrorExtensions, Guard, Result as GuardResult};
use chrono::TimeDelta;

use super::fault::coded;
use crate::app::App;
use crate::auth::viewer::{Permission, Scope, Viewer};
use crate::throttle::Attempt;

/// One operation: a field of `Query` or `Mutation`.
#[derive(Debug)]
pub struct Operation {
    /// The field's name.
    pub field: &'static str,
    /// Anybody at all.
    pub anonymous: bool,
    /// Customers, about themselves.
    pub customer: bool,
    /// API keys with this scope.
    pub shop: Option<Scope>,
    /// Staff with this permission.
    pub staff: Option<Permission>,
    /// Whether staff must have given their password, and second factor if they have one, within [`STEP_UP`].
    pub dangerous: bool,
    /// Tries credentials, or mails some: an operation of a client may hold one such field, and each counts towards the
    /// limits on them.
    pub credential: Option<Attempt>,
}

/// How long a password, and second factor, counts for dangerous acts of staff.
pub const STEP_UP: TimeDelta = TimeDelta::minutes(5);

const fn everyone(field: &'static str) -> Operation {
    Operation {
        field,
        anonymous: true,
        customer: true,
        shop: None,
        staff: None,
        dangerous: false,
        credential: None,
    }
}

const fn op(
    field: &'static str,
    customer: bool,
    shop: Option<Scope>,
    staff: Option<Permission>,
) -> Operation {
    Operation { field, anonymous: false, customer, shop, staff, dangerous: false, credential: None }
}

/// For staff who have just shown that it is they.
const fn dangerous(field: &'static str, staff: Permission) -> Operation {
    Operation { dangerous: true, ..op(field, false, None, Some(staff)) }
}

/// For customers and staff, about themselves.
const fn personal(field: &'static str) -> Operation {
    op(field, true, None, Some(Permission::StaffSelf))
}

/// Every operation and its callers; a field that is not here is for nobody.
pub const OPERATIONS: &[Operation] = &[
    everyone("customerRegister").tries(Attempt::Guess),
    everyone("mailboxProve").tries(Attempt::Guess),
    everyone("signInWithPassword").tries(Attempt::Guess),
    everyone("signInRequestCode").tries(Attempt::Guess),
    everyone("staffSignIn").tries(Attempt::Guess),
    everyone("sessionRefresh").tries(Attempt::Refresh),
    everyone("sessionEnd"),
    everyone("checkoutPolicy"),
    everyone("claimedOrder"),
    everyone("accountCreateFromOrder").tries(Attempt::Guess),
    everyone("signInWithToken").tries(Attempt::Guess),
    everyone("passwordResetRequest").tries(Attempt::Guess),
    everyone("passwordReset").tries(Attempt::Guess),
    op("passwordChange", true, None, None).tries(Attempt::Guess),
    op("emailChangeRequest", true, None, None).tries(Attempt::Guess),
    op("emailChangeConfirm", true, None, None).tries(Attempt::Guess),
    op("sessionReauthenticate", true, None, None).tries(Attempt::Guess),
    personal("sessions"),
    personal("sessionRevoke"),
    personal("sessionsRevokeOthers"),
    everyone("pointsPreview"),
    everyone("product"),
    everyone("productBySku"),
    everyone("products"),
    everyone("productOrderability"),
    everyone("node"),
    everyone("shop"),
    op("me", true, None, None),
    op("customerUpdate", true, Some(Scope::CustomersWrite), Some(Permission::CustomersWrite)),
    op("customerInvite", false, None, Some(Permission::CustomersWrite)),
    op("customerRecord", false, Some(Scope::CustomersWrite), Some(Permission::CustomersWrite)),
    op("customerAddressCreate", true, Some(Scope::CustomersWrite), Some(Permission::CustomersWrite)),
    op("customerAddressUpdate", true, Some(Scope::CustomersWrite), Some(Permission::CustomersWrite)),
    op("customerAddressDelete", true, Some(Scope::CustomersWrite), Some(Permission::CustomersWrite)),
    op("customerDisable", false, None, Some(Permission::CustomersManage)),
    op("customerEnable", false, None, Some(Permission::CustomersManage)),
    op("customers", false, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("customerMergePreview", false, None, Some(Permission::CustomersManage)),
    dangerous("customerMerge", Permission::CustomersManage),
    everyone("tiers"),
    op("customerTierSet", false, None, Some(Permission::CustomersManage)),
    op("customer", false, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("guest", false, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("order", true, Some(Scope::OrdersRead), Some(Permission::OrdersRead)),
    op("orders", false, Some(Scope::OrdersRead), Some(Permission::OrdersRead)),
    op("orderRecord", false, Some(Scope::OrdersWrite), Some(Permission::OrdersWrite)),
    op("orderPay", false, Some(Scope::OrdersWrite), Some(Permission::OrdersWrite)),
    op("orderShip", false, Some(Scope::OrdersWrite), Some(Permission::OrdersWrite)),
    op("orderDeliver", false, Some(Scope::OrdersWrite), Some(Permission::OrdersWrite)),
    op("orderCancel", false, Some(Scope::OrdersWrite), Some(Permission::OrdersWrite)),
    op("orderReturn", false, Some(Scope::OrdersWrite), Some(Permission::OrdersWrite)),
    op("productUpsert", false, Some(Scope::CatalogWrite), Some(Permission::CatalogWrite)),
    op("productsUpsert", false, Some(Scope::CatalogWrite), Some(Permission::CatalogWrite)),
    op("productStockAdjust", false, Some(Scope::CatalogWrite), Some(Permission::CatalogWrite)),
    op("waitlist", false, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("waitlistJoin", true, Some(Scope::CustomersWrite), Some(Permission::CustomersWrite)),
    op("waitlistLeave", true, Some(Scope::CustomersWrite), Some(Permission::CustomersWrite)),
    op("carts", false, None, Some(Permission::CartsRead)),
    op("cartUpsert", false, Some(Scope::CartsWrite), None),
    op("cartDelete", false, Some(Scope::CartsWrite), None),
    op("pointsHold", true, Some(Scope::PointsWrite), None),
    op("pointsVoid", true, Some(Scope::PointsWrite), None),
    op("pointsCapture", false, Some(Scope::PointsWrite), None),
    op("pointsEarn", false, Some(Scope::PointsWrite), None),
    op("pointsRedeem", true, Some(Scope::PointsWrite), None),
    op("pointsActivate", false, Some(Scope::PointsWrite), Some(Permission::PointsActivate)),
    everyone("explainCoupon"),
    everyone("rewards"),
    op("coupons", false, None, Some(Permission::CouponsWrite)),
    op("couponCreate", false, None, Some(Permission::CouponsWrite)),
    op("couponDisable", false, None, Some(Permission::CouponsWrite)),
    op("couponReserve", true, Some(Scope::OrdersWrite), None),
    op("couponRelease", true, Some(Scope::OrdersWrite), None),
    op("rewardUpsert", false, None, Some(Permission::CouponsWrite)),
    op("rewardCodesAdd", false, None, Some(Permission::CouponsWrite)),
    op("rewardClaim", true, Some(Scope::PointsWrite), None),
    op("rewardClaimFulfil", false, Some(Scope::PointsWrite), Some(Permission::CouponsWrite)),
    op("rewardClaimCancel", false, Some(Scope::PointsWrite), Some(Permission::CouponsWrite)),
    everyone("shippingQuote"),
    op("shippingMethods", false, Some(Scope::DeliveryWrite), Some(Permission::DeliveryWrite)),
    op("shippingMethodUpsert", false, Some(Scope::DeliveryWrite), Some(Permission::DeliveryWrite)),
    op("deliverySlots", false, Some(Scope::DeliveryWrite), Some(Permission::DeliveryWrite)),
    op("deliverySlotsUpsert", false, Some(Scope::DeliveryWrite), Some(Permission::DeliveryWrite)),
    op("deliverySlotClose", false, Some(Scope::DeliveryWrite), Some(Permission::DeliveryWrite)),
    // Whoever tells of carts holds slots for them; that needs no right to say which slots there are.
    op("deliverySlotHold", true, Some(Scope::CartsWrite), None),
    op("deliverySlotRelease", true, Some(Scope::CartsWrite), None),
    op("packingRules", false, None, Some(Permission::CouponsWrite)),
    op("packingRuleUpsert", false, None, Some(Permission::CouponsWrite)),
    op("referrals", false, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("referralAccept", true, Some(Scope::CustomersWrite), None),
    everyone("membershipPlans"),
    op("membershipPlanUpsert", false, None, Some(Permission::PlansWrite)),
    op("memberships", false, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("membershipSavings", true, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("membershipReport", false, None, Some(Permission::ReportsRead)),
    op("membershipJoin", true, Some(Scope::MembershipsWrite), None),
    op("membershipCancel", true, Some(Scope::MembershipsWrite), Some(Permission::MembershipsWrite)),
    op("membershipKeep", true, Some(Scope::MembershipsWrite), Some(Permission::MembershipsWrite)),
    op("membershipPause", true, Some(Scope::MembershipsWrite), Some(Permission::MembershipsWrite)),
    op("membershipResume", true, Some(Scope::MembershipsWrite), Some(Permission::MembershipsWrite)),
    op("membershipPlanChange", true, Some(Scope::MembershipsWrite), Some(Permission::MembershipsWrite)),
    op(
        "membershipPlanChangePreview",
        true,
        Some(Scope::MembershipsWrite),
        Some(Permission::MembershipsWrite),
    ),
    op("billingEvents", false, None, Some(Permission::MembershipsWrite)),
    op("billingEventReplay", false, None, Some(Permission::MembershipsWrite)),
    op("membershipBilling", false, None, Some(Permission::MembershipsWrite)),
    op("membershipPortal", true, Some(Scope::MembershipsWrite), None),
    op("journeys", false, None, Some(Permission::JourneysWrite)),
    op("journey", false, None, Some(Permission::JourneysWrite)),
    op("journeyPreview", false, None, Some(Permission::JourneysWrite)),
    op("journeyDraft", false, None, Some(Permission::JourneysWrite)),
    dangerous("journeyPublish", Permission::JourneysWrite),
    op("journeyPause", false, None, Some(Permission::JourneysWrite)),
    op("journeyResume", false, None, Some(Permission::JourneysWrite)),
    dangerous("journeyRetire", Permission::JourneysWrite),
    dangerous("productUpdateAnnounce", Permission::JourneysWrite),
    everyone("reviewSubmit"),
    op("reviews", false, None, Some(Permission::ReviewsWrite)),
    op("reviewModerate", false, None, Some(Permission::ReviewsWrite)),
    op("reviewAnswer", false, None, Some(Permission::ReviewsWrite)),
    everyone("survey"),
    everyone("surveyAnswer").tries(Attempt::Guess),
    op("surveys", false, None, Some(Permission::SurveysWrite)),
    op("surveyUpsert", false, None, Some(Permission::SurveysWrite)),
    op("surveyReport", false, None, Some(Permission::ReportsRead)),
    op("explainNotSent", false, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("explainPoints", true, Some(Scope::CustomersRead), Some(Permission::CustomersRead)),
    op("earningRules", false, None, Some(Permission::RulesWrite)),
    op("earningRuleBacktest", false, None, Some(Permission::RulesWrite)),
    op("earningRuleDraft", false, None, Some(Permission::RulesWrite)),
    dangerous("earningRulePublish", Permission::RulesWrite),
    dangerous("earningRuleRetire", Permission::RulesWrite),
    op("messageTemplates", false, None, Some(Permission::MessagesWrite)),
    op("messageTemplate", false, None, Some(Permission::MessagesWrite)),
    op("messageTemplateValidate", false, None, Some(Permission::MessagesWrite)),
    op("messageTemplatePreview", false, None, Some(Permission::MessagesWrite)),
    op("messageTemplateTestSend", false, None, Some(Permission::MessagesWrite)),
    op("messageTemplateDraft", false, None, Some(Permission::MessagesWrite)),
    dangerous("messageTemplatePublish", Permission::MessagesWrite),
    op("inboxMarkRead", true, None, None),
    op("pointsAdjust", false, None, Some(Permission::PointsAdjust)),
    op("pointsAdjustments", false, None, Some(Permission::PointsAdjust)),
    dangerous("pointsAdjustmentApprove", Permission::PointsApprove),
    op("pointsAdjustmentReject", false, None, Some(Permission::PointsAdjust)),
    everyone("staffInvitationAccept").tries(Attempt::Guess),
    op("staffMe", false, None, Some(Permission::StaffSelf)),
    op("staffStepUp", false, None, Some(Permission::StaffSelf)).tries(Attempt::Guess),
    op("staffPasswordChange", false, None, Some(Permission::StaffSelf)).tries(Attempt::Guess),
    dangerous("staffTotpBegin", Permission::StaffSelf),
    op("staffTotpConfirm", false, None, Some(Permission::StaffSelf)).tries(Attempt::Guess),
    op("staffTotpDisable", false, None, Some(Permission::StaffSelf)).tries(Attempt::Guess),
    dangerous("staffRecoveryCodesRegenerate", Permission::StaffSelf).tries(Attempt::Guess),
    op("staffMembers", false, None, Some(Permission::StaffManage)),
    op("staffInvitations", false, None, Some(Permission::StaffManage)),
    dangerous("staffInvite", Permission::StaffManage),
    op("staffInvitationRevoke", false, None, Some(Permission::StaffManage)),
    dangerous("staffUpdate", Permission::StaffManage),
    dangerous("staffTotpReset", Permission::StaffManage),
    op("apiKeys", false, None, Some(Permission::ApiKeysManage)),
    dangerous("apiKeyCreate", Permission::ApiKeysManage),
    dangerous("apiKeyRotate", Permission::ApiKeysManage),
    dangerous("apiKeyRevoke", Permission::ApiKeysManage),
    op("consentUpdate", true, Some(Scope::CustomersWrite), Some(Permission::CustomersWrite)),
    everyone("consentRequest").tries(Attempt::Guess),
    everyone("consentConfirm"),
    everyone("unsubscribe"),
    everyone("unsubscribeInfo"),
    op("suppressions", false, None, Some(Permission::ConsentsWrite)),
    op("suppressionCreate", false, None, Some(Permission::ConsentsWrite)),
    op("suppressionRemove", false, None, Some(Permission::ConsentsWrite)),
    op("optInReport", false, None, Some(Permission::ReportsRead)),
    op("liabilityReport", false, None, Some(Permission::ReportsRead)),
    op("auditEntries", false, None, Some(Permission::AuditRead)),
    op("shopSettings", false, None, Some(Permission::SettingsWrite)),
    dangerous("shopSettingsUpdate", Permission::SettingsWrite),
];

impl Operation {
    /// The same as one that tries credentials.
    const fn tries(self, what: Attempt) -> Self {
        Self { credential: Some(what), ..self }
    }

    /// The row of a field.
    pub fn of(field: &str) -> Option<&'static Self> {
        OPERATIONS.iter().find(|operation| operation.field == field)
    }

    /// Whether `viewer` may call it at all; what they may call it about is for the query to decide.
    pub fn allows(&self, viewer: &Viewer) -> bool {
        self.anonymous
            || match viewer {
                Viewer::Anonymous => false,
                Viewer::Customer { .. } => self.customer,
                Viewer::Shop { scopes, .. } => self.shop.is_some_and(|scope| scopes.contains(&scope)),
                Viewer::Staff { role, .. } => self.staff.is_some_and(|permission| permission.is_of(*role)),
            }
    }

    /// The sentence that ends the field's description.
    pub fn sentence(&self) -> String {
        if self.anonymous {
            return "For everyone.".to_owned();
        }
        let customer = self.customer.then(|| "the customer".to_owned());
        let shop = self.shop.map(|scope| format!("shop keys with `{}`", scope.name()));
        let staff = self.staff.map(|permission| format!("staff with `{}`", permission.name()));
        let callers: Vec<String> = [customer, shop, staff].into_iter().flatten().collect();
        let step_up = if self.dangerous { " after a step-up" } else { "" };
        format!("For {}{step_up}.", callers.join(", "))
    }
}

/// Refuses callers whom the table does not name for the field that is asked for.
#[derive(Debug)]
pub struct Allowed;

impl Guard for Allowed {
    async fn check(&self, ctx: &Context<'_>) -> GuardResult<()> {
        check(ctx, Operation::of(ctx.field().name()))
    }
}

/// The same for a field that shows what an operation shows: customers, who only ever reach their own, and whoever may
/// call that operation.
#[derive(Debug)]
pub struct AllowedAs(pub &'static str);

impl Guard for AllowedAs {
    async fn check(&self, ctx: &Context<'_>) -> GuardResult<()> {
        match ctx.data_opt::<Viewer>() {
            Some(Viewer::Customer { .. }) => Ok(()),
            _ => check(ctx, Operation::of(self.0)),
        }
    }
}

fn check(ctx: &Context<'_>, operation: Option<&Operation>) -> GuardResult<()> {
    let viewer = ctx.data_opt::<Viewer>().unwrap_or(&Viewer::Anonymous);
    if let Some(operation) = operation.filter(|operation| operation.allows(viewer)) {
        return if operation.dangerous { stepped_up(ctx, viewer) } else { Ok(()) };
    }
    let (code, message) = match viewer {
        // An API key is of no use where no server of the shop may call.
        Viewer::Anonymous if operation.is_some_and(|operation| operation.shop.is_none()) => {
            ("UNAUTHENTICATED", "Sign in to do this.")
        }
        Viewer::Anonymous => ("UNAUTHENTICATED", "Sign in, or send an API key, to do this."),
        _ => ("FORBIDDEN", "These credentials do not allow this."),
    };
    Err(coded(code, message))
}

/// Refuses staff who have not shown lately that it is they.
fn stepped_up(ctx: &Context<'_>, viewer: &Viewer) -> GuardResult<()> {
    let Viewer::Staff { authenticated_at, .. } = viewer else { return Ok(()) };
    let now = ctx.data_opt::<App>().map(|app| app.clock.now());
    if now.is_some_and(|now| now - *authenticated_at < STEP_UP) {
        return Ok(());
    }
    let message = "Give your password, and second factor, again with staffStepUp to do this.";
    Err(coded("FORBIDDEN", message).extend_with(|_, extensions| extensions.set("reason", "STEP_UP_REQUIRED")))
}

#[cfg(test)]
mod tests {
    use super::{OPERATIONS, Operation};

    /// Each root field of the schema with its description.
    async fn root_fields() -> Vec<(String, String)> {
        let schema = crate::graphql::schema(None);
        let fields = "{ fields { name description } }";
        let asked = format!("{{ __schema {{ queryType {fields} mutationType {fields} }} }}");
        let answer = schema.execute(asked).await.into_result().unwrap().data.into_json().unwrap();
        let of = |root: &str| answer["__schema"][root]["fields"].as_array().unwrap().clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let fields = [of("queryType"), of("mutationType")].concat();
        fields.iter().map(|field| (text(&field["name"]), text(&field["description"]))).collect()
    }

    #[tokio::test]
    async fn every_root_field_has_callers_and_names_them() {
        let fields = root_fields().await;
        assert!(!fields.is_empty());
        let missing = OPERATIONS.iter().find(|row| fields.iter().all(|(name, _)| name != row.field));
        assert!(missing.is_none(), "there is no field for {missing:?}");
        for (name, description) in fields {
            // Comments are broken into lines.
            let description = description.replace('\n', " ");
            let operation = Operation::of(&name).unwrap_or_else(|| panic!("{name} has no row in the table"));
            let sentence = operation.sentence();
            assert!(description.ends_with(&sentence), "{name} must end with {sentence:?}: {description:?}");
        }
    }
}
