@{
    ModuleVersion = '1.0.0'
    GUID          = '5b0f5a3e-6f3b-4f0c-9d53-0d4a5f1f7c11'
    Author        = 'popgate'
    Description   = 'Carries the role capability for restarting the POP3 services of Exchange.'
}
